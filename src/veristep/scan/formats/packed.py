"""Compressed files: gzip, bzip2, xz and lzma, zlib; zstd and lz4 with a package of each.

What is in them is looked at; joblib packs so too.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator

from veristep.scan import unpackers
from veristep.scan.looking import MOST_UNPACKED, Item, LimitError, Looking
from veristep.scan.seen import Sort
from veristep.scan.source import Memory, Source

_MAGIC = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x5d\x00\x00": "lzma",
    b"\x78\x01": "zlib", b"\x78\x5e": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib",
    b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4",
}  # fmt: skip
_CHUNK, _PIECE = 1 << 18, 1 << 20
_ERRORS: tuple[type[BaseException], ...] = (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)


def _kind(head: bytes) -> str:
    return next((words for magic, words in _MAGIC.items() if head.startswith(magic)), "")


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as one of them."""
    del item
    return bool(_kind(head))


def look(scan: Looking, item: Item) -> str:
    """Unpack it, in bounds, and look at what comes out."""
    kind = _kind(item.source.read(0, 16))
    if kind in unpackers.kinds() and not unpackers.loaded(kind):
        scan.needs.add(kind)
        text = f"it is packed with {kind}, which cannot be unpacked here: pip install 'veristep[scan]'"
        scan.doubt(item, Sort.UNSCANNED, text)
        return f"{kind} file"
    try:
        data, rest = _unpacked(scan, item.source, kind)
    except LimitError as error:
        scan.doubt(item, Sort.LIMIT, f"a bound of the scan was reached: {error}")
        return f"{kind} file"
    except _ERRORS + unpackers.errors() as error:
        scan.doubt(item, Sort.DAMAGED, f"its {kind} bytes are damaged: {error}")
        return f"{kind} file, damaged"
    item.claim()
    if rest.strip(b"\0"):
        scan.doubt(item, Sort.TRAILING, f"bytes that are not {kind} follow its {kind} stream")
        scan.look(item.inside(Memory(rest), f"[after the {kind} stream]"))
    inner = (
        item.name.rsplit(".", 1)[0]
        if item.name.endswith((".gz", ".bz2", ".xz", ".lzma", ".z", ".zst", ".lz4"))
        else item.name
    )
    return f"{scan.look(item.inside(Memory(data), inner or kind))}, packed with {kind}"


class _Unpacker:
    """One stream: every kind of decompressor by the same two methods."""

    def __init__(self, kind: str) -> None:
        self._optional = unpackers.Unpacker(kind) if unpackers.loaded(kind) else None
        self._zlib = zlib.decompressobj(31 if kind == "gzip" else 15) if kind in ("gzip", "zlib") else None
        self._other: bz2.BZ2Decompressor | lzma.LZMADecompressor = (
            bz2.BZ2Decompressor() if kind == "bzip2" else lzma.LZMADecompressor(memlimit=MOST_UNPACKED)
        )

    @property
    def ended(self) -> bool:
        return self._optional.ended if self._optional else (self._zlib or self._other).eof

    @property
    def unused(self) -> bytes:
        return self._optional.unused if self._optional else (self._zlib or self._other).unused_data

    def chunks(self, data: bytes) -> Iterator[bytes]:
        """Yield what some packed bytes give, in pieces of a bounded size."""
        if self._optional is not None:
            yield from self._optional.chunks(data, _PIECE)
            return
        if self._zlib is not None:
            yield self._zlib.decompress(data, _PIECE)
            while self._zlib.unconsumed_tail:
                yield self._zlib.decompress(self._zlib.unconsumed_tail, _PIECE)
            return
        yield self._other.decompress(data, _PIECE)
        while not self._other.needs_input and not self._other.eof:
            yield self._other.decompress(b"", _PIECE)


def _unpacked(scan: Looking, source: Source, kind: str) -> tuple[bytes, bytes]:
    """Return what a file unpacks to, all streams of it one after another, and what follows them."""
    parts: list[bytes] = []
    position, pending, unpacker = 0, b"", _Unpacker(kind)
    while True:
        data = pending or source.read(position, _CHUNK)
        position += 0 if pending else len(data)
        pending = b""
        if not data:
            raise EOFError("they are cut off")
        for part in unpacker.chunks(data):
            parts.append(part)
            scan.unpack(len(part))
        if unpacker.ended:
            pending = unpacker.unused
            if len(pending) < len(max(_MAGIC, key=len)):
                more = source.read(position, _CHUNK)
                position += len(more)
                pending += more
            if _kind(pending) != kind:
                return b"".join(parts), pending + source.read(position, source.size - position)
            unpacker = _Unpacker(kind)
