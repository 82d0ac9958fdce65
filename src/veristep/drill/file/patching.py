"""Changes a tensor inside a torch archive in place, and makes the archive's checksums fit."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from veristep.supervise.artifacts.members import describe

_CENTRAL, _LOCAL, _DESCRIPTOR = b"PK\1\2", b"PK\3\4", b"PK\7\10"


def change_tensor(path: Path, place: str, change: Callable[[bytes], bytes]) -> None:
    """Change the bytes of the tensor at a place, such as ``optimizer.state.0.exp_avg``; times are kept.

    Raises:
        LookupError: the archive has no such tensor.
    """
    members = describe(path, digests=False)
    name = next((each.name for each in members.members if each.label == place), "") if members else ""
    if not name:
        raise LookupError(f"{path} has no {place}")
    status, data = path.stat(), bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = next(each for each in archive.infolist() if each.filename.partition("/")[2] == name)
        directory = archive.start_dir
    start = entry.header_offset + 30 + sum(struct.unpack_from("<2H", data, entry.header_offset + 26))
    stop = start + entry.compress_size
    data[start:stop] = change(bytes(data[start:stop]))
    crc = struct.pack("<L", zlib.crc32(data[start:stop]))
    if data[entry.header_offset + 14 : entry.header_offset + 18] != bytes(4):
        data[entry.header_offset + 14 : entry.header_offset + 18] = crc
    if data[stop : stop + 4] == _DESCRIPTOR:
        data[stop + 4 : stop + 8] = crc
    at = directory
    while data[at : at + 4] == _CENTRAL:
        lengths = struct.unpack_from("<3H", data, at + 28)
        if data[at + 46 : at + 46 + lengths[0]].decode() == entry.filename:
            data[at + 16 : at + 20] = crc
        at += 46 + sum(lengths)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def negated(data: bytes) -> bytes:
    """Return 32-bit floats with their signs turned."""
    return bytes(byte ^ 0x80 if number % 4 == 3 else byte for number, byte in enumerate(data))
