"""Inside the replaying process: feeding the tape, comparing every step, keeping it in its room."""
