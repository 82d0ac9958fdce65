"""What is installed is what was published, and what runs is what is installed."""
