"""The exception by which a load is refused: meant to reach the script."""

from __future__ import annotations


class RefusedLoad(RuntimeError):
    """A load that would have run code, stopped before it did."""
