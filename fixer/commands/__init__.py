"""The commands: thin functions between the command line and the engine."""
