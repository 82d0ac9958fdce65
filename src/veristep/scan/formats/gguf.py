"""GGUF: metadata, descriptions of tensors, raw numbers. Source: ggml's ``docs/gguf.md``, version 3."""

from __future__ import annotations

import struct
from typing import Any

from veristep.scan.formats import templates
from veristep.scan.looking import Item, Looking
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
    offsets = []
    for _ in range(tensors):
        name = reader.text()
        dimensions = reader.number("<I")
        reader.take(8 * dimensions + 4)
        offsets.append((reader.number("<Q"), name))
    start = (reader.position + alignment - 1) // alignment * alignment
    for offset, name in offsets:
        if start + offset > item.source.size or offset % alignment:
            scan.deny(
                item, Sort.HEADER, f"the tensor {name!r} lies outside of the file or off its alignment"
            )
    return "GGUF"
