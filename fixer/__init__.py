"""fhfix: an automated fixer for workflows, Dockerfiles and Django settings."""
