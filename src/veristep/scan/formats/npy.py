"""numpy's .npy: numbers, or a pickle of objects. Source: numpy's ``lib/format.py``, versions 1 to 3."""

from __future__ import annotations

import re

from veristep.scan.formats import pickles
from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 1 << 20
_OBJECTS = re.compile(r"['\"][<>|=]?O\d*['\"]")
# What numpy's own writer writes; the readers of old versions evaluate the header as an expression.
_HEADER = re.compile(r"^[\s\w{}()\[\]:,'\"<>|=.+-]*$")
_SHAPE = re.compile(r"['\"]shape['\"]\s*:\s*\(([0-9,\sL]*)\)")
_DESCR = re.compile(r"['\"]descr['\"]\s*:\s*['\"][<>|=]?([a-zA-Z])(\d+)(?:\[\w+\])?['\"]")


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as one."""
    del item
    return head.startswith(_MAGIC)


def look(scan: Looking, item: Item) -> str:
    """Look at the header, and at the pickle where the array holds objects; arrays may follow each other."""
    position, count = 0, 0
    while item.source.read(position, 6) == _MAGIC:
        position = _one(scan, item, position)
        count += 1
        if position < 0:
            return "numpy array"
    if position < item.source.size:
        rest = item.source.size - position
        scan.doubt(item, Sort.TRAILING, f"{rest:,} bytes follow the array")
        scan.look(item.inside(item.source.part(position, rest), "[after the array]"))
    return "numpy array" if count == 1 else f"{count} numpy arrays"


def _one(scan: Looking, item: Item, start: int) -> int:
    """Return where an array ends; -1 when that is not known."""
    scan.notes.parts += 1
    major = item.source.exactly(start + 6, 2)[0]
    wide = major >= 2
    length = int.from_bytes(item.source.exactly(start + 8, 4 if wide else 2), "little")
    begin = start + (12 if wide else 10)
    if length > _MOST_HEADER:
        scan.doubt(item, Sort.LIMIT, "its header is larger than a scan may read")
        return -1
    header = item.source.exactly(begin, length).decode("latin-1")
    begin += length
    if not _HEADER.match(header) and major < 3:
        scan.deny(item, Sort.HEADER, "its header is no header that numpy writes", header[:200])
    if _OBJECTS.search(header):
        inner = Item(item.source.part(begin, item.source.size), "objects.pkl", item.place, item.depth)
        pickles.look(scan, inner)
        return -1
    shape, kind = _SHAPE.search(header), _DESCR.search(header)
    if shape is None or kind is None:
        # Fields of a record: their size is not worked out here, so what follows them is not told apart.
        return -1 if shape is not None else _odd(scan, item, header)
    count = 1
    for each in shape[1].split(","):
        count *= int(each.strip(" L") or 1)
    size = count * int(kind[2]) * (4 if kind[1] == "U" else 1)
    if begin + size > item.source.size:
        scan.deny(item, Sort.HEADER, "its header promises more than the file has", f"{size:,} bytes")
        return -1
    return begin + size


def _odd(scan: Looking, item: Item, header: str) -> int:
    scan.doubt(item, Sort.DAMAGED, "its header cannot be read", header[:200])
    return -1
