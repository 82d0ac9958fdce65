"""Rules on artifact files that are looked at and not loaded: what the scanner saw, as findings."""
