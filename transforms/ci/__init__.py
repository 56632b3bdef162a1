"""The `ci` pack."""
