"""Hunting dormant triggers: the same steps again, with what a trigger may look at varied."""
