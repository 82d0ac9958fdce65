"""Attacks on native libraries that are in use.

Each gets a folder with ``site-packages/parts/native.so``, a library that does nothing, in use by a process.
"""
