"""What runs where: programs, with the image, commands, environment, mounts and servers of each."""
