"""Room on the ledger's disk, of which the record leaves some to others.

Whoever fills a shared disk stops other people's work.
"""

from __future__ import annotations

import os
from pathlib import Path

from veristep.errors import StorageError

LEAVE_FREE_BYTES, LEAVE_FREE_SHARE = 256 << 20, 0.01


def spare(folder: Path | str) -> int | None:
    """Return how many bytes may still be written beside `folder`; None when that cannot be told."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    leave = int(max(LEAVE_FREE_BYTES, disk.f_blocks * disk.f_frsize * LEAVE_FREE_SHARE))
    return disk.f_bavail * disk.f_frsize - leave


def nearly_full(folder: Path | str) -> bool:
    """Whether nothing more should be written there."""
    left = spare(folder)
    return left is not None and left < 0


def require(folder: Path | str, size: int) -> None:
    """Refuse to write `size` bytes that would take what is left to others.

    Raises:
        StorageError: there is no room for them.
    """
    left = spare(folder)
    if left is not None and size > left:
        raise StorageError(
            f"{size} bytes do not fit: {max(0, left)} may still be written to the ledger's disk",
            hint="free some space, or bound the snapshots: veristep run --snapshot-bytes",
        )
