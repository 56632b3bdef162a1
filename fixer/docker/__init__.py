"""Docker: compose files, images, how they are built, and what runs in their containers."""
