"""The way to a pull request: git, GitHub, and what is said there."""
