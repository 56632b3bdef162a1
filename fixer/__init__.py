"""fhfix: an automated fixer for workflows, Dockerfiles and Django settings."""

__version__ = "0.1.0"
