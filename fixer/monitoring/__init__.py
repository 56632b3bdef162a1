"""What tells how an application is doing: the metrics that it exports, what asks for them, and who is told."""
