"""How the database is dumped, kept, and restored."""
