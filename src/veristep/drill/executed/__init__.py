"""Attacks on what runs: a file is one thing when somebody looks, and another when it is imported.

Each gets a folder with ``site-packages/parts/core.py``, a small package that is installed there, and acts
when that is imported. Harmless: the number that `parts.core.rate` returns is another.
"""

CLEAN = "def rate():\n    return 1.0\n"
EDITED = "def rate():\n    return 0.5\n"
