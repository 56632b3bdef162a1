"""GitHub: workflows and actions, how they are read and edited, and what is known of published actions."""
