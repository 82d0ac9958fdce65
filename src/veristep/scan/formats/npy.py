"""numpy's .npy: numbers, or a pickle of objects. Source: numpy's ``lib/format.py``, versions 1 to 3."""

from __future__ import annotations

import json
import math
import re

from veristep.scan.formats import pickles
from veristep.scan.looking import Item, Looking, accounted
from veristep.scan.numbers import numbers
from veristep.scan.seen import Sort

_MAGIC = b"\x93NUMPY"
_MOST_HEADER = 1 << 20
_OBJECTS = re.compile(r"['\"][<>|=]?O\d*['\"]")
# What numpy's own writer writes; the readers of old versions evaluate the header as an expression.
_HEADER = re.compile(r"^[\s\w{}()\[\]:,'\"<>|=.+-]*$")
_LONG = re.compile(r"(?<=\d)L\b")  # whole numbers as Python 2 wrote them
_KIND = re.compile(r"[<>|=]?([a-zA-Z])(\d+)(?:\[\w+\])?")
_LAST_COMMA = re.compile(r",\s*([\]}])")
_AS_JSON = str.maketrans("()'", '[]"')
_FIELDS = {"descr", "fortran_order", "shape"}
_DEEPEST = 8


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as one."""
    del item
    return head.startswith(_MAGIC)


def look(scan: Looking, item: Item) -> str:
    """Look at the header, and at the pickle where the array holds objects; arrays may follow each other."""
    position, count = 0, 0
    while item.source.read(position, 6) == _MAGIC:
        start, position = position, _one(scan, item, position)
        count += 1
        if position < 0:
            return "numpy array"
        item.claim(start, position)
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
        accounted(scan, inner, pickles.look)
        return item.source.size
    size = _size(header)
    if size < 0:
        scan.doubt(item, Sort.DAMAGED, "its header cannot be read", header[:200])
        return -1
    if begin + size > item.source.size:
        scan.deny(item, Sort.HEADER, "its header promises more than the file has", f"{size:,} bytes")
        return -1
    numbers(scan, item, begin, begin + size)
    return begin + size


def _size(header: str) -> int:
    """Return how many bytes the array of a header takes; -1 for a header that says none."""
    try:
        fields = json.loads(_as_json(header))
        if not isinstance(fields, dict) or set(fields) != _FIELDS:
            return -1
        return _count(fields["shape"]) * _width(fields["descr"], _DEEPEST)
    except (ValueError, RecursionError):
        return -1


def _as_json(header: str) -> str:
    """Return a header as JSON: the process that looks must not compile anything, a literal included."""
    text = _LONG.sub("", header.strip()).translate(_AS_JSON)
    return _LAST_COMMA.sub(r"\1", text).replace("False", "false").replace("True", "true")


def _count(shape: object) -> int:
    sides = shape if isinstance(shape, list) else [shape]
    if not all(type(each) is int and each >= 0 for each in sides):
        raise ValueError
    return math.prod(sides)


def _width(described: object, deep: int) -> int:
    """Return the bytes of one element: a number, an array in itself, or a record."""
    if isinstance(described, str):
        kind = _KIND.fullmatch(described)
        if kind is None:
            raise ValueError
        return int(kind[2]) * (4 if kind[1] == "U" else 1)
    if not isinstance(described, list) or not described or not deep:
        raise ValueError
    if isinstance(described[0], str):
        inner, shape = described if len(described) == 2 else (None, None)
        return _width(inner, deep - 1) * _count(shape)
    total = 0
    for field in described:
        if not isinstance(field, list) or len(field) not in (2, 3):
            raise ValueError
        total += _width(field[1], deep - 1) * _count(field[2] if len(field) == 3 else [])
    return total
