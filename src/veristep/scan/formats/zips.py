"""ZIP archives: torch checkpoints since 1.6, TorchScript, .pt2, torch.package, .keras, npz, any other."""

from __future__ import annotations

import bisect
import re
import zlib

from veristep.scan import zipped
from veristep.scan.formats import pickles, plain, torchscript
from veristep.scan.looking import Item, LimitError, Looking, accounted
from veristep.scan.numbers import numbers
from veristep.scan.seen import Sort
from veristep.scan.source import Memory, Source
from veristep.scan.zipped import Directory, Entry, NotZipError

# A stored member up to this size is held against its checksum; larger ones are raw numbers.
_CHECKED = 16 << 20
# Raw bytes of tensors in archives of torch and of PyTorch's export: never interpreted as anything else.
_TENSOR = re.compile(
    r"(^|/)(data|weights|constants|\.data|tensors|storages)/(\d+|serialization_id|.*\.storage|tensor_\d+|weight_\d+)$"
)
_SMALL = re.compile(
    r"(^|/)(version|byteorder|\.format_version|\.storage_alignment|serialization_id|archive_version)$"
)


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as a ZIP file, or ends as one: Python's reader starts at the end."""
    if head[:4] in (zipped.LOCAL, b"PK\x05\x06"):
        return True
    return item.source.size > 22 and item.source.read(item.source.size - 22, 4) == b"PK\x05\x06"


def look(scan: Looking, item: Item) -> str:
    """Look at every member."""
    head = item.source.read(0, 4)
    if item.name.endswith(".distcp"):
        return _shard(scan, item)
    try:
        found = zipped.directory(item.source)
    except NotZipError as error:
        scan.doubt(item, Sort.DAMAGED, f"the ZIP archive cannot be read: {error}")
        if head[:2] != b"PK":
            accounted(scan, item, (pickles if pickles.recognises(item, head) else plain).look)
        return "ZIP archive, damaged"
    for name, lie in found.lies[:20]:
        subject = f"the ZIP archive's member {name!r}: " if name else "the ZIP archive: "
        scan.deny(item, Sort.CONTAINER, f"{subject}{lie}", "readers of the archive can see different files")
    if head != zipped.LOCAL and found.entries:
        _before(scan, item, found)
    _claim(item, found)
    for name, data in found.strange:
        if data:
            member = item.inside(Memory(data), f"{name}[extra field]")
            scan.doubt(member, Sort.TRAILING, f"{len(data):,} bytes in an extra field of the ZIP archive")
            scan.look(member)
    for name, data in found.comments:
        if data:
            scan.look(item.inside(Memory(data), f"{name}[comment]"))
    kind = _kind(found)
    if kind.startswith("torch.package") and any(each.name.endswith(".py") for each in found.entries):
        scan.doubt(item, Sort.EMBEDDED, "it carries Python modules that are imported when it is loaded")
    tensors = kind.startswith(("torch", "Torch", "PyTorch"))
    for entry in found.entries:
        _member(scan, item, entry, tensors=tensors)
    return kind


def _shard(scan: Looking, item: Item) -> str:
    """Look at a shard of a distributed checkpoint: files of `torch.save` one after another."""
    end, count = item.source.size, 0
    while end > 0:
        try:
            found = zipped.directory(item.source.part(0, end))
        except NotZipError as error:
            scan.doubt(item, Sort.DAMAGED, f"the {count + 1}. part from its end cannot be read: {error}")
            return "shard of a distributed checkpoint, damaged"
        count += 1
        part = Item(item.source.part(found.before, end - found.before), "", item.place, item.depth)
        accounted(scan, part, look)
        item.claim(found.before, end)
        end = found.before
    return f"shard of a distributed checkpoint, {count} parts"


def _claim(item: Item, found: Directory) -> None:
    """Account for the members, what describes them, and the directory."""
    starts = sorted({*(each.header for each in found.entries), found.starts})
    for entry in found.entries:
        next_one = bisect.bisect_left(starts, entry.start + entry.packed)
        follows = starts[next_one] if next_one < len(starts) else entry.start + entry.packed
        item.claim(entry.header, zipped.described(item.source, entry, follows))
    for start, stop in found.own:
        item.claim(start, stop)


def _before(scan: Looking, item: Item, found: Directory) -> None:
    """Look at what stands before the archive: to a reader from the front, the file is that."""
    first = min(each.header for each in found.entries)
    scan.deny(item, Sort.CONTAINER, f"{first:,} bytes stand before the ZIP archive: it is two files in one")
    scan.look(Item(item.source.part(0, first), "", f"{item.place}[before the archive]", item.depth + 1))


def _kind(found: Directory) -> str:
    names = {each.name.partition("/")[2] for each in found.entries}
    flat = {each.name for each in found.entries}
    if "constants.pkl" in names:
        return "TorchScript archive"
    if "archive_format" in names or "archive_format" in flat:
        return "PyTorch export archive (.pt2)"
    if ".data/extern_modules" in names:
        return "torch.package archive"
    if "data.pkl" in names:
        return "torch checkpoint (zip)"
    if "config.json" in flat and any(name.endswith(".weights.h5") for name in flat):
        return "Keras archive"
    if flat and all(name.endswith(".npy") for name in flat):
        return "numpy archive (npz)"
    return "ZIP archive"


def _member(scan: Looking, item: Item, entry: Entry, *, tensors: bool) -> None:
    member = item.inside(Memory(b""), entry.name)
    parts = entry.name.replace("\\", "/").split("/")
    if entry.link:
        scan.deny(member, Sort.ESCAPE, "a member of the archive is a symbolic link")
        return
    if ".." in parts or entry.name.startswith(("/", "\\")) or parts[0][1:2] == ":":
        scan.deny(member, Sort.ESCAPE, "a member of the archive would be unpacked outside of its folder")
    if entry.encrypted:
        scan.doubt(member, Sort.UNSCANNED, "a member of the archive is encrypted")
        return
    if entry.name.endswith("/") and not entry.size:
        return
    inner = entry.name.partition("/")[2]
    if tensors and entry.method == zipped.STORED and _TENSOR.search(inner) and _raw(item.source, entry):
        member.source = item.source.part(entry.start, entry.packed)
        numbers(scan, member, 0, member.source.size)
        return
    source = _unpacked(scan, item, member, entry)
    if source is None or (tensors and _SMALL.search(entry.name)):
        return
    member.source = source
    if torchscript.is_code(entry.name):
        torchscript.code(scan, member)
        return
    scan.look(member)


def _raw(source: Source, entry: Entry) -> bool:
    """Whether a tensor's bytes are none that a reader could take for a checkpoint: some formats let it."""
    return source.read(entry.start, 4) != zipped.LOCAL


def _unpacked(scan: Looking, item: Item, member: Item, entry: Entry) -> Source | None:
    try:
        if entry.method != zipped.STORED:
            scan.unpack(entry.size)
        found = zipped.content(item.source, entry)
    except NotZipError as error:
        scan.doubt(member, Sort.DAMAGED, f"a member of the archive cannot be read: {error}")
        return None
    except OverflowError as error:
        scan.deny(member, Sort.CONTAINER, f"a member of the archive lies about its size: {error}")
        return None
    except LimitError as error:
        scan.doubt(member, Sort.LIMIT, f"a member of the archive was not read: {error}")
        return None
    source = Memory(found) if isinstance(found, bytes) else found
    if source.size <= _CHECKED:
        data = source.read(0, source.size)
        if zlib.crc32(data) != entry.crc:
            text = "a member of the archive does not have the checksum the archive says"
            scan.deny(
                member, Sort.CONTAINER, text, f"{entry.crc:08x} promised, {zlib.crc32(data):08x} found"
            )
        source = Memory(data)
    return source
