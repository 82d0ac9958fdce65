"""tar archives, torch's of 2016 among them. Read by headers; nothing is unpacked.

Source: POSIX.1-2017 pax interchange format, GNU tar's ``tar.h``.
"""

from __future__ import annotations

from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort
from veristep.scan.source import Memory

_BLOCK = 512
_FILE, _HARD, _SYMBOLIC, _FOLDER = (b"0", b"\0", b"7"), b"1", b"2", b"5"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL = b"L", b"K", b"x", b"g"
_MOST_META = 1 << 20


def recognises(item: Item, head: bytes) -> bool:
    """Whether the first block is a header of tar: its magic, or the checksum of older ones."""
    del item
    return len(head) >= _BLOCK and (head[257:262] == b"ustar" or (head[0] != 0 and _checksum(head) == 0))


def _checksum(block: bytes) -> int:
    """Return by how much a header's checksum is off; -1 when it has none."""
    try:
        said = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return -1
    return abs(said - (sum(block[:148]) + 8 * 32 + sum(block[156:512])))


def look(scan: Looking, item: Item) -> str:
    """Look at every member."""
    position, name, size_said = 0, "", -1
    while position + _BLOCK <= item.source.size:
        block = item.source.read(position, _BLOCK)
        if not block.strip(b"\0"):
            break
        if _checksum(block):
            scan.doubt(item, Sort.DAMAGED, f"the tar header at byte {position} is damaged")
            return "tar archive, damaged"
        size = _number(block[124:136]) if size_said < 0 else size_said
        kind, start = block[156:157], position + _BLOCK
        position = start + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        item.claim(start - _BLOCK, start + size)
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_ALL):
            if size > _MOST_META:
                scan.doubt(item, Sort.LIMIT, "a tar header is larger than a scan may read")
                return "tar archive"
            meta = item.source.exactly(start, size)
            if kind == _LONG_NAME:
                name = meta.rstrip(b"\0").decode("utf-8", "backslashreplace")
            elif kind == _PAX:
                records = _records(meta)
                name, size_said = records.get("path", name), int(records.get("size", "-1"))
            continue
        name = name or _name(block)
        if start + size > item.source.size:
            scan.doubt(item, Sort.DAMAGED, "its last member is cut off")
        _member(scan, item.inside(item.source.part(start, size), name), kind, block)
        name, size_said = "", -1
    rest = item.source.read(position, min(item.source.size - position, _MOST_META))
    if rest.strip(b"\0"):
        scan.doubt(item, Sort.TRAILING, "bytes follow the end of the tar archive")
        scan.look(item.inside(Memory(rest.lstrip(b"\0")), "[after the archive]"))
    # Bytes of members that should have none, and all that follows the end, are left unaccounted.
    return "tar archive"


def _member(scan: Looking, member: Item, kind: bytes, block: bytes) -> None:
    parts = member.name.split("/")
    if member.name.startswith("/") or ".." in parts:
        scan.deny(member, Sort.ESCAPE, "a member of the archive would be unpacked outside of its folder")
    if kind in (_HARD, _SYMBOLIC):
        target = block[157:257].rstrip(b"\0").decode("utf-8", "backslashreplace")
        if member.source.size:
            scan.look(member)
        if target.startswith("/") or ".." in target.split("/"):
            scan.deny(member, Sort.ESCAPE, "a member of the archive is a link that leads out of it", target)
        return
    if kind in _FILE:
        scan.look(member)
    elif kind == _FOLDER:
        if member.source.size:
            scan.look(member)  # some readers take a folder with bytes for a file
    else:
        scan.doubt(member, Sort.UNSCANNED, f"a member of the archive is of kind {kind!r}, not a file")


def _name(block: bytes) -> str:
    prefix = block[345:500].rstrip(b"\0") if block[257:263] == b"ustar\0" else b""
    name = block[:100].rstrip(b"\0").partition(b"\0")[0]
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "backslashreplace")


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b" \0") or b"0", 8)


def _records(meta: bytes) -> dict[str, str]:
    found, at = {}, 0
    while at < len(meta):
        length = int(meta[at : meta.index(b" ", at)])
        if length <= 0:
            raise ValueError("a pax record of no length")
        key, _, value = meta[meta.index(b" ", at) + 1 : at + length - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "backslashreplace")
        at += length
    return found
