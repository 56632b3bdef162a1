"""The `django` pack."""
