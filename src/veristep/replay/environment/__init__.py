"""The Python environment of a replay: the run's own in place, or the same one built again elsewhere."""
