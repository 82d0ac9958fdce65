"""What the rehearsed artifacts carry: a call that writes a mark beside the file, and containers for it."""

from __future__ import annotations

import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

# An ordinary pickle that names nothing.
WEIGHTS = pickle.dumps({"weight": [0.5] * 8}, protocol=2)


def command(folder: Path) -> str:
    """Return the harmless command: it writes a mark."""
    return f"touch {folder / 'mark'}"


def text(value: str) -> bytes:
    """Return the opcode that puts a text on the stack."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def call(folder: Path) -> bytes:
    """Return opcodes that call the command, without a beginning or an end."""
    return b"cos\nsystem\n" + text(command(folder)) + b"\x85R"


def pickled(folder: Path) -> bytes:
    """Return a pickle that is the call."""
    return b"\x80\x02" + call(folder) + b"."


def checkpoint(data: bytes, *more: tuple[str, bytes]) -> bytes:
    """Return a checkpoint as torch writes it, around a pickle, with further members."""
    members = [
        ("archive/data.pkl", data),
        ("archive/byteorder", b"little"),
        ("archive/version", b"3\n"),
        *more,
    ]
    return zipped(*members)


def zipped(*members: tuple[str, bytes]) -> bytes:
    """Return a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    """Return a tar archive of one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def written(path: Path, data: bytes) -> Path:
    """Write a file, and return its path."""
    path.write_bytes(data)
    return path
