"""The languages: how each kind of file is read, and the builders that make edits to it."""
