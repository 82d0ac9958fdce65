"""Kinds of files, one module each, told apart by content."""
