"""The `docker` pack."""
