"""The repository a run starts from, read without executing anything it configures."""
