"""What is read from the ledger's SQLite file: hashes, checkpoints, entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from veristep.core.merkle import Frontier, root, subtrees
from veristep.errors import MalformedError, UsageError
from veristep.ledger.entries import Draft, Opening, decode_header
from veristep.ledger.tiles import TILE_HEIGHT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

PAGE_ROWS = 512
ERASED_KIND = "field.erased"


class StoredCheckpoint(NamedTuple):
    """A checkpoint as stored: its number, the size it speaks of, and the signed note."""

    seq: int
    size: int
    note: str


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as stored."""

    index: int
    header: bytes
    body: bytes


def latest_checkpoint(connection: sqlite3.Connection) -> StoredCheckpoint:
    """Return the latest checkpoint.

    Raises:
        MalformedError: there is none.
    """
    row = connection.execute("SELECT seq, size, note FROM checkpoint ORDER BY seq DESC LIMIT 1").fetchone()
    if row is None:
        raise MalformedError("the ledger holds no checkpoint")
    return StoredCheckpoint(*row)


def covering_checkpoint(connection: sqlite3.Connection, index: int) -> StoredCheckpoint:
    """Return the first checkpoint that covers entry `index`.

    Raises:
        UsageError: no checkpoint does.
    """
    row = connection.execute(
        "SELECT seq, size, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1", (index,)
    ).fetchone()
    if row is None:
        raise UsageError(f"no checkpoint covers an entry {index}")
    return StoredCheckpoint(*row)


def hashes(connection: sqlite3.Connection, tile_level: int, start: int, end: int) -> list[bytes]:
    """Return hashes `start` to `end` (exclusive) of a level of tiles.

    Raises:
        MalformedError: one of them is missing.
    """
    if tile_level == 0:
        rows = connection.execute(
            "SELECT hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", (start, end)
        )
    else:
        rows = connection.execute(
            "SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx",
            (tile_level, start, end),
        )
    found = [row[0] for row in rows]
    if len(found) != end - start:
        raise MalformedError(
            f"the ledger holds {len(found)} of the hashes {start} to {end} of level {tile_level}",
            hint="run `veristep ledger fsck` to see what is damaged",
        )
    return found


def node_reader(connection: sqlite3.Connection) -> Callable[[int, int], bytes]:
    """Return a function giving the root of the perfect subtree at (level, index)."""

    def node(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        start = index << height
        return root(hashes(connection, tile_level, start, start + (1 << height)))

    return node


def load_frontier(connection: sqlite3.Connection, size: int) -> Frontier:
    """Return the right edge of the tree over the first `size` entries."""
    node = node_reader(connection)
    return Frontier(size, [node(level, index) for level, index in subtrees(0, size)])


def entry_page(
    connection: sqlite3.Connection, run: str | None, kind: str | None, since: int
) -> list[StoredEntry]:
    """Return up to `PAGE_ROWS` entries from index `since`, of one run or kind if asked."""
    filters, values = "", []
    for column, value in (("run", run), ("kind", kind)):
        if value is not None:
            filters += f" AND {column} = ?"
            values.append(value)
    query = (
        "SELECT idx, header, body FROM entry WHERE idx >= ?"  # noqa: S608 - fixed column names
        f"{filters} ORDER BY idx LIMIT {PAGE_ROWS}"
    )
    return [StoredEntry(*row) for row in connection.execute(query, (since, *values))]


def erasure(connection: sqlite3.Connection, index: int, name: str) -> Draft:
    """Return the entry to log when the opening of a field is erased.

    Raises:
        UsageError: there is no such opening.
    """
    row = connection.execute(
        "SELECT entry.run, entry.header FROM opening JOIN entry USING (idx)"
        " WHERE idx = ? AND opening.name = ?",
        (index, name),
    ).fetchone()
    if row is None:
        raise UsageError(f"entry {index} has no value of {name!r} to erase")
    project = connection.execute(
        "SELECT name FROM project WHERE pseudonym = ?", (decode_header(row[1]).project,)
    ).fetchone()
    return Draft(
        ERASED_KIND,
        {"entry": index, "field": name},
        run=row[0],
        project=project[0] if project else "",
    )


def openings(connection: sqlite3.Connection, index: int) -> list[Opening]:
    """Return what opens the commitments of an entry, as far as it was kept."""
    rows = connection.execute("SELECT name, salt, value FROM opening WHERE idx = ?", (index,))
    return [Opening(*row) for row in rows]
