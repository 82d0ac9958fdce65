"""Rules about the code a run starts from: its repository, and what it imports beside that."""
