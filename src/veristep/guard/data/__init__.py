"""Rules about data: files against their manifest, and what a run reads."""
