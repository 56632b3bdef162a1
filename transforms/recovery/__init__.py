"""Backups and recovery."""
