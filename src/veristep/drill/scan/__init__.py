"""Artifacts that do something when they are loaded: one file each."""
