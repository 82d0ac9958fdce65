"""The public log: the `checkpoint` and `tile/` files, written from the SQLite file.

Everything here can be written again at any time. It is written after the commit, by whoever holds
the ledger's turn, and completed by the next one when a process died in between.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from veristep.errors import MalformedError
from veristep.ledger import checkpoints, rows
from veristep.ledger.layout import CHECKPOINT_FILE, write_atomically
from veristep.ledger.tiles import (
    Tile,
    encode_bundle,
    encode_tile,
    full_tiles,
    partial_tiles,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_MAX_CHECKPOINT_BYTES = 1 << 20


def publish(path: Path, connection: sqlite3.Connection) -> None:
    """Bring the public files up to the latest checkpoint.

    The caller holds the ledger's turn.

    Raises:
        OSError: the file system refuses a file; the entries are safe, the next call goes on.
        MalformedError: hashes or entries are missing from the SQLite file.
    """
    if is_complete(path, connection):
        return
    latest = rows.latest_checkpoint(connection)
    since = _published_size(path, connection)
    if since == latest.size:
        since = 0  # the checkpoint is there and a file it needs is not: write all of them again
    sizes = [
        row[0]
        for row in connection.execute("SELECT size FROM checkpoint WHERE size > ? ORDER BY size", (since,))
    ]
    # Full tiles never change and old ones are not looked at again, so these alone are synced.
    for tile in full_tiles(latest.size, since):
        write_atomically(path / tile.path, content(connection, tile), sync=True)
        shutil.rmtree(path / f"{tile.path}.p", ignore_errors=True)
    there = set(partial_tiles(since))
    for tile in expected_partials(sizes):
        if tile not in there:
            write_atomically(path / tile.path, content(connection, tile), sync=False)
    # Last: a checkpoint is only shown when all the tiles it needs are there.
    write_atomically(path / CHECKPOINT_FILE, latest.note.encode(), sync=False)


def is_complete(path: Path, connection: sqlite3.Connection) -> bool:
    """Tell whether the latest checkpoint and the partial tiles it needs are in place.

    Full tiles are synced when written; partial ones are not, and may be lost in a power cut.
    """
    latest = rows.latest_checkpoint(connection)
    try:
        if (path / CHECKPOINT_FILE).read_bytes() != latest.note.encode():
            return False
        return all(
            (path / tile.path).stat().st_size == len(content(connection, tile))
            for tile in partial_tiles(latest.size)
        )
    except (OSError, MalformedError):
        return False


def content(connection: sqlite3.Connection, tile: Tile) -> bytes:
    """Return the bytes of a tile or bundle.

    Raises:
        MalformedError: hashes or entries are missing from the SQLite file.
    """
    end = tile.start + tile.width
    if tile.level is not None:
        return encode_tile(rows.hashes(connection, tile.level, tile.start, end))
    found = connection.execute(
        "SELECT header FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (tile.start, end)
    ).fetchall()
    if len(found) != tile.width:
        raise MalformedError(f"the ledger holds {len(found)} of the entries {tile.start} to {end}")
    return encode_bundle([row[0] for row in found])


def expected_partials(sizes: Sequence[int]) -> Iterator[Tile]:
    """Yield the partial tiles that belong to checkpoints of these sizes, in ascending order.

    The partial tiles of older checkpoints stay until the tile is full, for readers who hold such a
    checkpoint (C2SP tlog-tiles).
    """
    if not sizes:
        return
    open_tiles = {(tile.level, tile.index) for tile in partial_tiles(sizes[-1])}
    seen: set[Tile] = set()
    for size in sizes:
        for tile in partial_tiles(size):
            if (tile.level, tile.index) in open_tiles and tile not in seen:
                seen.add(tile)
                yield tile


def _published_size(path: Path, connection: sqlite3.Connection) -> int:
    """Return the size of the published checkpoint; 0 when it is none of ours."""
    try:
        with (path / CHECKPOINT_FILE).open("rb") as file:
            note = file.read(_MAX_CHECKPOINT_BYTES)
        size = checkpoints.read(note).size
    except (OSError, MalformedError):
        return 0
    row = connection.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
    return size if row is not None and row[0].encode() == note else 0
