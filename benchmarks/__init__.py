"""Measurements of fhfix, side by side with its peers."""
