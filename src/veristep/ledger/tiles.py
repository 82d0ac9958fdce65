"""Tiles: how a log's tree and entries are cut into files.

Source: C2SP tlog-tiles v0.1.0. A tile holds up to 256 hashes of one level; level L holds the roots
of perfect subtrees of 256**L entries. An entry bundle holds up to 256 entries, each with its length
in two bytes before it. Partial tiles and bundles carry their width in their name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veristep.core.merkle import HASH_BYTES
from veristep.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TILE_WIDTH = 256
TILE_HEIGHT = 8  # 2**8 == 256
MAX_ENTRY_BYTES = 65_535

_MAX_LEVEL = 7  # 256**8 entries is more than a size can count
_PATH = re.compile(r"tile/(entries|[0-7])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """One file: a tile at `level`, or the entry bundle when `level` is None."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The path below the log's folder."""
        folder = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{folder}/{_index_path(self.index)}{partial}"

    @property
    def start(self) -> int:
        """The index, in its level, of the tile's first hash or entry."""
        return self.index * TILE_WIDTH


def parse_path(path: str) -> Tile:
    """Return the tile a path names.

    Raises:
        MalformedError: it names none, or not in the one canonical way.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise MalformedError(f"{path!r} is not the path of a tile")
    folder, index, width = match.groups()
    tile = Tile(
        None if folder == "entries" else int(folder),
        int(index.replace("x", "").replace("/", "")),
        TILE_WIDTH if width is None else int(width),
    )
    if tile.path != path:
        raise MalformedError(f"{path!r} is not the path of a tile")
    return tile


def full_tiles(size: int, since: int = 0) -> Iterator[Tile]:
    """Yield the full tiles and bundles of a tree of `size`, without those of one of `since`."""
    for level in range(_MAX_LEVEL + 1):
        shift = TILE_HEIGHT * (level + 1)
        for index in range(since >> shift, size >> shift):
            yield Tile(level, index)
            if level == 0:
                yield Tile(None, index)


def partial_tiles(size: int) -> Iterator[Tile]:
    """Yield the partial tiles and bundle of a tree of `size`."""
    for level in range(_MAX_LEVEL + 1):
        index, width = divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)
        if width:
            yield Tile(level, index, width)
            if level == 0:
                yield Tile(None, index, width)


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """Return the bytes of a tile."""
    return b"".join(hashes)


def decode_tile(data: bytes) -> list[bytes]:
    """Return the hashes of a tile.

    Raises:
        MalformedError: empty, not whole hashes, or more than 256.
    """
    count, rest = divmod(len(data), HASH_BYTES)
    if rest or not 0 < count <= TILE_WIDTH:
        raise MalformedError(f"{len(data)} bytes are not a tile of 1 to 256 hashes")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of an entry bundle.

    Raises:
        MalformedError: an entry is longer than 65,535 bytes.
    """
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise MalformedError(f"an entry has {len(entry)} bytes; at most {MAX_ENTRY_BYTES}")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """Return the entries of a bundle.

    Raises:
        MalformedError: empty, cut short, or more than 256 entries.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + 2
        end = start + int.from_bytes(data[position:start], "big")
        if start > len(data) or end > len(data):
            raise MalformedError(f"entry {len(entries)} of the bundle is cut short")
        entries.append(data[start:end])
        position = end
    if not 0 < len(entries) <= TILE_WIDTH:
        raise MalformedError(f"{len(entries)} entries are not a bundle of 1 to 256")
    return entries


def _index_path(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    return "/".join(reversed(groups))
