"""The `deploy` pack."""
