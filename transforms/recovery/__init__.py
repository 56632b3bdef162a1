"""The `recovery` pack."""
