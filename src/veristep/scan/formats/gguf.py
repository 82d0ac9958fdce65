"""GGUF: metadata, descriptions of tensors, raw numbers. Source: ggml's ``docs/gguf.md``, version 3."""

from __future__ import annotations

import math
import struct
from typing import Any

from veristep.scan.formats import templates
from veristep.scan.looking import Item, Looking
from veristep.scan.numbers import numbers
from veristep.scan.seen import Sort
from veristep.scan.source import ShortError, Source

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_MOST_TEXT, _MOST_COUNT = 16 << 20, 1 << 24
_WINDOW = 1 << 16


# Per type of tensors, how many numbers a block has and how many bytes it takes. Source: ggml's ``ggml.c``.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip


def _size(kind: int, count: int) -> int:
    """Return the bytes of a tensor; -1 for a type that is not known."""
    block, size = _BLOCKS.get(kind, (0, 0))
    return -(-count // block) * size if block else -1


class _Reader:
    """Reads values from front to back."""

    def __init__(self, source: Source, position: int) -> None:
        self._source, self.position = source, position
        self._window, self._start = b"", 0

    def take(self, length: int) -> bytes:
        if length > _MOST_TEXT:
            raise ShortError(f"a string of {length:,} bytes at byte {self.position}")
        at = self.position - self._start
        if not 0 <= at <= len(self._window) - length:
            self._start, at = self.position, 0
            self._window = self._source.read(self.position, max(length, _WINDOW))
        found = self._window[at : at + length]
        if len(found) != length:
            raise ShortError(f"the file ends at byte {self._source.size:,}, within its header")
        self.position += length
        return found

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int, depth: int = 0) -> Any:
        """Return a value; of arrays, only their strings are kept."""
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_SCALARS[kind])
        inner, count = self.number("<I"), self.number("<Q")
        if count > _MOST_COUNT or depth > 3:
            raise ShortError(f"an array of {count:,} values at byte {self.position}")
        if inner in _SCALARS:
            self.position += struct.calcsize(_SCALARS[inner]) * count
            return None
        found = [self.value(inner, depth + 1) for _ in range(count)]
        return found if count < 100 else None


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as one."""
    del item
    return head.startswith(b"GGUF")


def look(scan: Looking, item: Item) -> str:
    """Look at templates in the metadata, and whether tensors lie in the file."""
    scan.notes.parts += 1
    reader = _Reader(item.source, 4)
    version = reader.number("<I")
    if version not in (2, 3):
        scan.doubt(item, Sort.UNSCANNED, f"it is of GGUF version {version}, which is not known")
        return "GGUF"
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    alignment = 32
    for _ in range(pairs):
        key = reader.text()
        value = reader.value(reader.number("<I"))
        if key == "general.alignment" and isinstance(value, int):
            alignment = max(1, value)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and ("{{" in each or "{%" in each):
                templates.look(scan, item.inside(item.source.part(0, 0), key), each)
    found = [_tensor(reader) for _ in range(tensors)]
    item.claim(0, reader.position)
    _tensors(scan, item, found, (reader.position + alignment - 1) // alignment * alignment, alignment)
    return "GGUF"


def _tensor(reader: _Reader) -> tuple[int, int, str]:
    """Return where a tensor lies, how many bytes it takes (-1: not known), and its name."""
    name = reader.text()
    dimensions = reader.number("<I")
    shape = struct.unpack(f"<{dimensions}Q", reader.take(8 * dimensions))
    kind = reader.number("<I")
    return reader.number("<Q"), _size(kind, math.prod(shape)), name


def _tensors(
    scan: Looking, item: Item, found: list[tuple[int, int, str]], start: int, alignment: int
) -> None:
    """Hold tensors against the file: each lies in it, aligned, behind the one before it.

    What lies between and behind them is unaccounted for unless it is zeros.
    """
    room, position = item.source.size - start, 0
    for offset, size, name in sorted(found):
        if size < 0:
            scan.doubt(item, Sort.UNSCANNED, f"the tensor {name!r} is of a type that is not known")
            return
        if offset + size > room or offset % alignment:
            text = f"the tensor {name!r} lies outside of the file or off its alignment"
            scan.deny(item, Sort.HEADER, text, f"bytes {offset:,} to {offset + size:,} of {max(0, room):,}")
            return
        if offset < position:
            scan.deny(item, Sort.HEADER, f"the tensor {name!r} overlaps the one before it")
            return
        position = offset + size
        numbers(scan, item, start + offset, start + position)
