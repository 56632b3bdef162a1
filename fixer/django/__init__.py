"""The Django project: its settings, databases, routes, and how it is served and tested."""
