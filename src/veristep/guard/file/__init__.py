"""Rules about files that recorded runs wrote, and about protected ones."""
