"""What an apply would do, shown: consumers of one `Plan`."""
