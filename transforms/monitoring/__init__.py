"""The `monitoring` pack."""
