"""What was found, for people and for machines: consumers of one `Report`."""
