"""Reads the directory of a ZIP file twice, as readers do: the central one, and each member's header.

Torch's reader (miniz) and Python's take names, sizes and offsets from the central directory, others from
the headers; names are compared without regard to case by the one and with it by the other. A file on
which they could differ is told, whatever is in it. Source: PKWARE's APPNOTE 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import bz2
import contextlib
import itertools
import re
import struct
import zlib
from dataclasses import dataclass, field, replace

from veristep.scan.source import ShortError, Source

STORED, DEFLATED, _BZIP2 = 0, 8, 12
METHODS = {0: "stored", 8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_DESCRIBED = b"PK\x07\x08"
_COMMENT = 0xFFFF
_BIG, _BIG16 = 0xFFFFFFFF, 0xFFFF
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 1 << 0, 1 << 3, 1 << 11
_LINK = 0o120000
# Left out: version needed, time, date, disk, internal attributes.
_CENTRAL_FIELDS = struct.Struct("<H2xHH4xIIIHHH4xII")
MOST_ENTRIES = 100_000
# Extra fields of real archives, with the most bytes of each: 64-bit sizes, times and owners of several
# systems, encryption, the mark of Java's archives; then torch's padding. Sources: APPNOTE 4.5, 4.6;
# Info-ZIP's ``extrafld.txt``; torch's ``caffe2/serialize/inline_container.cc``.
_EXTRA = {
    0x0001: 28, 0x000A: 32, 0x000D: 12, 0x5455: 13, 0x5855: 12, 0x7855: 4, 0x7875: 24, 0x9901: 7,
    0xCAFE: 0,
}  # fmt: skip
_PADDING = 0x4246


class NotZipError(Exception):
    """There is no directory, or it does not lie where it says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member, as the central directory has it."""

    name: str
    method: int
    flags: int
    crc: int
    packed: int
    size: int
    header: int
    start: int = 0
    link: bool = False

    @property
    def described(self) -> bool:
        """Whether its sizes follow it."""
        return bool(self.flags & _DESCRIPTOR)

    @property
    def encrypted(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & _ENCRYPTED)


@dataclass(slots=True)
class Directory:
    """What a ZIP file holds.

    Attributes:
        entries: its members, in order.
        lies: what readers can disagree about, in words, with the member; empty of an ordinary file.
        before, after: bytes before the first member and after the end that belong to nothing.
        starts: where the directory itself begins.
        own: the stretches of the directory and of what says where it ends.
        comments: of the archive and of members, by the member's name.
        strange: what extra fields of members have that no writer is known to put there, by name.
    """

    entries: list[Entry] = field(default_factory=list)
    lies: list[tuple[str, str]] = field(default_factory=list)
    before: int = 0
    after: int = 0
    starts: int = 0
    own: list[tuple[int, int]] = field(default_factory=list)
    comments: list[tuple[str, bytes]] = field(default_factory=list)
    strange: list[tuple[str, bytes]] = field(default_factory=list)


def directory(source: Source) -> Directory:
    """Return the directory of a ZIP file.

    Raises:
        NotZipError: it has none that could be read.
    """
    try:
        return _directory(source)
    except (struct.error, ShortError, ValueError) as error:
        raise NotZipError(f"its directory cannot be read: {error}") from error


def _directory(source: Source) -> Directory:
    found = Directory()
    tail_at = max(0, source.size - 22 - _COMMENT)
    tail = source.read(tail_at, source.size - tail_at)
    at = tail.rfind(_END)
    if at < 0:
        raise NotZipError("there is no end of a directory: it is cut off")
    end = tail_at + at
    disk, start_disk, here, total, size, offset, comment = struct.unpack_from("<HHHHIIH", tail, at + 4)
    found.after = source.size - end - 22 - comment
    found.comments.append(("", tail[at + 22 : at + 22 + comment]))
    if any(_consistent(source, tail_at + each.start()) for each in re.finditer(_END, tail[:at])):
        found.lies.append(("", "it has more than one end of a directory"))
    if found.after:
        found.lies.append(("", f"{found.after:,} bytes follow its end"))
    directory_end = end
    locator = source.read(end - 20, 20) if end >= 20 else b""
    if locator[:4] == _LOCATOR64:
        count64, size64, offset64, directory_end = _wide_end(source, found, end, locator)
        for small, big, limit, what in (
            (total, count64, _BIG16, "members"),
            (size, size64, _BIG, "bytes"),
            (offset, offset64, _BIG, "offset"),
        ):
            if small not in (limit, big):
                found.lies.append(("", f"its two directories differ: {small} {what} or {big}"))
        total, size, offset = count64, size64, offset64
    elif disk or start_disk or here != total:
        found.lies.append(("", "it says that it spans several disks"))
    found.before = directory_end - size - offset
    found.starts = directory_end - size
    found.own = [
        (found.starts, directory_end),
        (directory_end, directory_end + 56 * (directory_end != end)),
    ]
    found.own.append((end - 20 if directory_end != end else end, source.size))
    if found.before:
        found.lies.append(("", f"its offsets are {found.before:,} bytes off: something stands before it"))
    if total > MOST_ENTRIES:
        raise NotZipError(f"it has {total:,} members, more than {MOST_ENTRIES:,}")
    _central(source, found, source.exactly(directory_end - size, size), total)
    _compare(found)
    return found


def _wide_end(source: Source, found: Directory, end: int, locator: bytes) -> tuple[int, int, int, int]:
    """Return what the end of a 64-bit directory says: members, bytes, offset; and where it lies."""
    (at,) = struct.unpack_from("<Q", locator, 8)
    if source.read(at, 4) != _END64:
        at = end - 20 - 56  # where it is when something stands before the archive
    record = source.exactly(at, 56)
    if record[:4] != _END64:
        raise NotZipError("the end of its 64-bit directory is not where it says")
    length, _, disk, start_disk, here, count, size, offset = struct.unpack_from("<QIIIQQQQ", record, 4)
    if length != 44 or disk or start_disk or here != count or locator[4:8] != bytes(4):
        found.lies.append(("", "its 64-bit directory is longer than any, or spans several disks"))
    return count, size, offset, at


def _consistent(source: Source, end: int) -> bool:
    """Whether an end of a directory could be one: its directory stands right before it."""
    size, offset = struct.unpack("<II", source.exactly(end + 12, 8))
    return bool(source.read(end - size, 4) == _CENTRAL and offset <= end) or size == offset == _BIG


def _central(source: Source, found: Directory, data: bytes, total: int) -> None:
    at = 0
    for _ in range(total):
        if data[at : at + 4] != _CENTRAL:
            raise NotZipError(f"member {len(found.entries) + 1} of its directory is damaged")
        made, flags, method, crc, packed, size, name_len, extra_len, comment_len, outer, header = (
            _CENTRAL_FIELDS.unpack_from(data, at + 4)
        )
        raw = data[at + 46 : at + 46 + name_len]
        extra = data[at + 46 + name_len : at + 46 + name_len + extra_len]
        at += 46 + name_len + extra_len + comment_len
        comment = data[at - comment_len : at]
        name = raw.decode("utf-8" if flags & _UTF8 else "cp437", "surrogateescape")
        if any(value == _BIG for value in (packed, size, header)):
            size, packed, header = _wide(extra, size, packed, header)
        link = made >> 8 == 3 and (outer >> 16) & 0o170000 == _LINK
        entry = Entry(name, method, flags, crc, packed, size, header + found.before, link=link)
        found.comments.append((name, comment))
        found.strange.append((name, _strange(extra)))
        found.entries.append(_with_header(source, found, entry, raw))
    if at != len(data):
        found.lies.append(("", f"its directory holds {len(data) - at} bytes more than its members"))


def _wide(extra: bytes, size: int, packed: int, header: int) -> tuple[int, int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            fields = list(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            size = fields.pop(0) if size == _BIG else size
            packed = fields.pop(0) if packed == _BIG and fields else packed
            header = fields.pop(0) if header == _BIG and fields else header
            break
        at += 4 + length
    return size, packed, header


def _strange(extra: bytes) -> bytes:
    """Return what of extra fields is none that writers put there: unknown, or too long for its kind."""
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            return extra[at:]
        kind, length = struct.unpack_from("<HH", extra, at)
        value = extra[at + 4 : at + 4 + length]
        if len(value) != length:
            return extra[at:]
        if not (len(set(value)) <= 1 if kind == _PADDING else length <= _EXTRA.get(kind, -1)):
            return extra[at:]
        at += 4 + length
    return b""


def _with_header(source: Source, found: Directory, entry: Entry, raw: bytes) -> Entry:
    """Return a member with where its bytes begin; note where its own header says otherwise."""
    head = source.exactly(entry.header, 30)
    if head[:4] != LOCAL:
        found.lies.append((entry.name, "the header before it is missing"))
        return entry
    flags, method, _time, _date, crc, packed, size, name_len, extra_len = struct.unpack_from(
        "<HHHHIIIHH", head, 6
    )
    rest = source.exactly(entry.header + 30, name_len + extra_len)
    found.strange.append((entry.name, _strange(rest[name_len:])))
    if _BIG in (packed, size):
        size, packed, _ = _wide(rest[name_len:], size, packed, 0)
    pairs = [
        ("name", rest[:name_len], raw),
        ("method", method, entry.method),
        ("encryption", flags & _ENCRYPTED, entry.flags & _ENCRYPTED),
    ]
    if not flags & _DESCRIPTOR or (crc, packed, size) != (0, 0, 0):
        pairs += [
            ("checksum", crc, entry.crc),
            ("packed size", packed, entry.packed),
            ("size", size, entry.size),
        ]
    for what, here, there in pairs:
        if here != there:
            found.lies.append(
                (entry.name, f"its {what} is {here!r} before it and {there!r} in the directory")
            )
    start = entry.header + 30 + name_len + extra_len
    if start + entry.packed > source.size:
        found.lies.append((entry.name, "it ends after the file does"))
    return replace(entry, start=start)


def _compare(found: Directory) -> None:
    seen: dict[str, str] = {}
    for entry in found.entries:
        # What the one reader takes for two names is one to the other; "\\" is "/" to some.
        folded = entry.name.replace("\\", "/").casefold().partition("\0")[0]
        if folded in seen:
            how = "twice" if seen[folded] == entry.name else f"beside {seen[folded]!r}"
            found.lies.append((entry.name, f"it is there {how}: readers take one or the other"))
        seen[folded] = entry.name
        if "\0" in entry.name:
            found.lies.append((entry.name, "its name has a zero byte, at which some readers end it"))
        if entry.method == STORED and entry.packed != entry.size and not entry.encrypted:
            found.lies.append((entry.name, f"it is stored, with {entry.packed} bytes of {entry.size}"))
    spans = sorted(
        (each.header, each.start + each.packed, each.name) for each in found.entries if each.start
    )
    for (_, end, name), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            found.lies.append((other, f"its bytes overlap those of {name!r}"))


def described(source: Source, entry: Entry, stop: int) -> int:
    """Return where what follows a member ends: its checksum and sizes once more, as the directory has them.

    Args:
        source: the file.
        entry: the member.
        stop: where the next one begins.
    """
    start = entry.start + entry.packed
    data = source.read(start, stop - start) if entry.described and 0 < stop - start <= 24 else b""
    for sizes in ("<QQ", "<II"):
        with contextlib.suppress(struct.error):
            values = struct.pack("<I", entry.crc) + struct.pack(sizes, entry.packed, entry.size)
            if data in (values, _DESCRIBED + values):
                return stop
    return start


def content(source: Source, entry: Entry) -> Source | bytes:
    """Return a member's bytes: a stretch of the file when they are stored, else unpacked.

    Raises:
        NotZipError: they cannot be unpacked here.
        OverflowError: there are more of them than the directory says.
    """
    stretch = source.part(entry.start, entry.packed)
    if entry.method == STORED:
        return stretch
    if entry.method not in (DEFLATED, _BZIP2):
        raise NotZipError(f"it is packed with {METHODS.get(entry.method, f'method {entry.method}')}")
    unpacker = zlib.decompressobj(-15) if entry.method == DEFLATED else bz2.BZ2Decompressor()
    try:
        data = unpacker.decompress(stretch.read(0, entry.packed), entry.size + 1)
    except (zlib.error, OSError) as error:
        raise NotZipError(f"its packed bytes are damaged: {error}") from error
    if len(data) > entry.size:
        raise OverflowError(f"it unpacks to more than the {entry.size:,} bytes it promises")
    if len(data) < entry.size:
        raise NotZipError(f"it unpacks to {len(data):,} bytes of {entry.size:,}")
    return data
