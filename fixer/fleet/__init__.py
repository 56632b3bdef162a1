"""Many repositories: looked at together, and each given its pull request, once and to the end."""
