"""Artifact files: what they would do if they were loaded."""
