"""Deployments: the ways in which a new version is put into service, checked, and taken back."""
