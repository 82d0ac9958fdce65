"""Looking at the environment of a run from beside it."""
