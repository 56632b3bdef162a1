"""The rules. One module is one rule; a pack is a folder."""
