"""What is said to fhfix itself."""
