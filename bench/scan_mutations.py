"""Ways to damage or disguise a file of a known format, so that scanners and loaders may come to differ.

Each takes a source of chance and a file, and returns another file. What a mutation breaks is not told: only
loading the result says whether it still runs something.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import pickletools
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from random import Random

Mutation = Callable[[Random, bytes], bytes]
_BOUND = 1 << 20


def flip(chance: Random, data: bytes) -> bytes:
    """Change some bits."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5))):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def interesting(chance: Random, data: bytes) -> bytes:
    """Write a number at which arithmetic goes wrong."""
    out, at = bytearray(data), chance.randrange(len(data))
    number = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 63, (1 << 64) - 1))
    width = chance.choice((1, 2, 4, 8))
    out[at : at + width] = (number & ((1 << 8 * width) - 1)).to_bytes(
        width, chance.choice(("little", "big"))
    )
    return bytes(out[: len(data)])


def cut(chance: Random, data: bytes) -> bytes:
    """End early, or begin late."""
    at = chance.randrange(len(data))
    return data[:at] if chance.random() < 0.7 else data[at:]


def moved(chance: Random, data: bytes) -> bytes:
    """Drop, double or insert a stretch."""
    at, length = chance.randrange(len(data)), chance.choice((1, 2, 4, 8, 32, 512))
    stretch = chance.choice((b"", data[at : at + length] * 2, bytes(length), b" " * length, b"\n" * length))
    return data[:at] + stretch + data[at + chance.choice((0, length)) :]


def before_or_after(chance: Random, data: bytes) -> bytes:
    """Put something in front of a file, or behind it."""
    other = chance.choice((
        b"\x80\x02N.", b"PK\x05\x06" + bytes(18), b"{}", b"\x93NUMPY", b"GGUF", bytes(512), b"\n", b"(",
        b"\x89PNG\r\n\x1a\n", b"\x80\x04", b"\x1f\x8b", b"#!/bin/sh\n", b"RIFF", b"%PDF", b"N0", b"]0",
    ))  # fmt: skip
    return other + data if chance.random() < 0.6 else data + other


def archived(chance: Random, data: bytes) -> bytes:
    """Put a file into an archive or pack it, as a loader that looks for it there would unpack it."""
    return chance.choice((
        gzip.compress, bz2.compress, lzma.compress, zlib.compress,
        lambda whole: lzma.compress(whole, lzma.FORMAT_ALONE),
        lambda whole: gzip.compress(whole[:9]) + gzip.compress(whole[9:]),
        lambda whole: gzip.compress(gzip.compress(whole)),
        _gzip_with_everything,
        lambda whole: _zip([("a", whole)], chance),
        lambda whole: _zip([("x/data.pkl", whole), ("x/version", b"3\n")], chance),
        lambda whole: _zip([("x.npy", b"\x93NUMPY"), ("X.npy", whole)], chance),
        lambda whole: _tar(chance, whole),
    ))(data)  # fmt: skip


def _gzip_with_everything(data: bytes) -> bytes:
    body = zlib.compressobj(wbits=-15)
    head = b"\x1f\x8b\x08\x1e" + bytes(6) + struct.pack("<H", 3) + b"abc" + b"name\0comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    return head + body.compress(data) + body.flush() + struct.pack("<II", zlib.crc32(data), len(data))


def _zip(members: list[tuple[str, bytes]], chance: Random) -> bytes:
    out = io.BytesIO()
    method = chance.choice((0, 0, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def _tar(chance: Random, data: bytes) -> bytes:
    out = io.BytesIO()
    form = chance.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        info = tarfile.TarInfo(chance.choice(("a", "b" * 150, "ü", "./a", "data.pkl")))
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_fields(chance: Random, data: bytes) -> bytes:
    """Change fields of headers, of the directory or of its end, on one side or on all."""
    out = bytearray(data)
    signatures = {
        b"PK\x03\x04": 30,
        b"PK\x01\x02": 46,
        b"PK\x05\x06": 22,
        b"PK\x06\x06": 56,
        b"PK\x07\x08": 16,
    }
    places = [
        (at, size)
        for signature, size in signatures.items()
        for at in _places(data, signature)
        if at + size <= len(data)
    ]
    if not places:
        return flip(chance, data)
    for _ in range(chance.choice((1, 1, 2))):
        at, size = chance.choice(places)
        field = at + 4 + chance.randrange(max(1, (size - 4) // 2)) * 2
        new = chance.choice((0, 1, 8, 9, 12, 0x800, 0x0809, 0xFFFF, chance.randrange(1 << 16)))
        struct.pack_into("<H", out, min(field, len(out) - 2), new)
    return bytes(out)


def _places(data: bytes, what: bytes) -> list[int]:
    found: list[int] = []
    at = data.find(what)
    while at >= 0 and len(found) < 200:
        found.append(at)
        at = data.find(what, at + 1)
    return found


def zip_members(chance: Random, data: bytes) -> bytes:
    """Write an archive anew: members renamed, doubled, reordered, packed, mutated, one inside another."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    place = chance.randrange(len(members))
    name, content = members[place]
    change = chance.randrange(8)
    if change == 0:
        members[place] = (chance.choice((name.upper(), name + "\0.txt", "/" + name, name.replace("/", "\\"),
                                         "../" + name, name + "/", " " + name)), content)  # fmt: skip
    elif change == 1:
        members.insert(
            chance.randrange(len(members)), (name, chance.choice((b"\x80\x02N.", b"", content[:9])))
        )
    elif change == 2:
        chance.shuffle(members)
    elif change == 3:
        members[place] = (name, _zip([(name, content)], chance))
    elif change == 4:
        other = chance.randrange(len(members))
        members[place], members[other] = (name, members[other][1]), (members[other][0], content)
    elif change == 5:
        members[place] = (name, any_of(chance, content) if content else content)
    elif change == 6:
        members[place] = (
            name.replace("archive/", chance.choice(("", "x/", "archive/archive/", "x/y/"))),
            content,
        )
    return _zip(members, chance)


def zip_hidden(chance: Random, data: bytes) -> bytes:
    """Change a name in the directory alone, or before the member alone; lengths stay."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        name = chance.choice(archive.namelist()).encode()
    places = _places(data, name)
    at = chance.choice(places)
    changed = bytearray(name)
    changed[chance.randrange(len(changed))] ^= chance.choice((0x20, 0x01, 0x80))
    return data[:at] + bytes(changed) + data[at + len(name) :]


def tar_fields(chance: Random, data: bytes) -> bytes:
    """Change fields of a header, and make its checksum fit again."""
    out = bytearray(data)
    at = 512 * chance.randrange(max(1, min(len(out), 8192) // 512))
    block = bytearray(out[at : at + 512].ljust(512, b"\0"))
    change = chance.randrange(5)
    if change == 0:
        block[156] = chance.choice(b"0\x001234567LKxgSDAVX")
    elif change == 1:
        block[124:136] = chance.choice((
            b"00000000000\0", b"77777777777\0", b"\x80" + bytes(10) + b"\x40", b"\xff" * 12,
            b"         40 ", b"-0000000001\0", b"0x000000010\0",
        ))  # fmt: skip
    elif change == 2:
        block[257:265] = chance.choice((b"ustar\x0000", b"ustar  \0", bytes(8)))
    elif change == 3:
        block[0:4] = chance.choice((b"../a", b"/abc", b"\0abc"))
    else:
        block[chance.randrange(512)] ^= 1 << chance.randrange(8)
    block[148:156] = b" " * 8
    total = sum(block) if chance.random() < 0.8 else sum(b - 256 * (b > 127) for b in block)
    block[148:156] = b"%06o\0 " % (total & 0o777777)
    out[at : at + 512] = block
    return bytes(out)


_NOTHING = (
    b"N0", b"]0", b"}0", b"\x80\x02", b"\x80\x04", b"(1", b"K\x010", b"\x94", b"I01\n0", b"\x8c\x01a0",
    b"N200", b"\x95" + bytes(8), b"\x95" + struct.pack("<Q", 3), b"((11", b"X\1\0\0\0x0", b"L1L\n0",
)  # fmt: skip


def opcodes(chance: Random, data: bytes) -> bytes:
    """Change a pickle between its opcodes: names and calls written otherwise, steps that do nothing."""
    out = io.BytesIO()
    places: list[tuple[str, object, int]] = []
    try:
        places.extend((op.name, arg, at or 0) for op, arg, at in pickletools.genops(data[:_BOUND]))
    except Exception:  # noqa: BLE001 - what cannot be told apart ends the walk
        if not places:
            return flip(chance, data)
    for (name, arg, at), (_, _, end) in zip(places, [*places[1:], ("", None, len(data))], strict=True):
        opcode = data[at:end]
        draw = chance.random()
        if draw < 0.1:
            out.write(chance.choice(_NOTHING))
        elif draw < 0.13 and name not in ("GLOBAL", "INST"):
            continue
        if name == "GLOBAL" and chance.random() < 0.6:
            opcode = _named(chance, str(arg))
        elif name in ("BINUNICODE", "SHORT_BINUNICODE", "UNICODE") and chance.random() < 0.5:
            opcode = _text(chance, str(arg))
        elif name == "REDUCE" and chance.random() < 0.3:
            opcode = chance.choice((b"\x81", b"R0N", b"}\x92", b"RR", b"R"))
        elif name == "STOP" and chance.random() < 0.3:
            opcode = chance.choice((b"", b"0.", b"..", b"\xff", b"N.", b"p0\n."))
        out.write(opcode)
    return out.getvalue()


def _named(chance: Random, pair: str) -> bytes:
    module, _, name = pair.partition(" ")
    other = {"os": "posix", "posix": "nt", "builtins": "__builtin__"}.get(module, module)
    module = chance.choice((module, module, other))
    if chance.random() < 0.5:
        return f"c{module}\n{name}\n".encode()
    return _text(chance, module) + _text(chance, name) + chance.choice((b"\x93", b"\x940h\0\x93", b"\x93"))


def _text(chance: Random, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    forms = [b"X" + struct.pack("<I", len(raw)) + raw, b"\x8d" + struct.pack("<Q", len(raw)) + raw]
    if len(raw) < 256:
        forms.append(b"\x8c" + bytes([len(raw)]) + raw)
    if text.isascii() and text.isprintable() and "\\" not in text:
        forms += [
            b"V" + raw + b"\n",
            b"V" + "".join(f"\\u{ord(each):04x}" for each in text).encode() + b"\n",
        ]
        forms += [b"S'" + raw + b"'\n", b"U" + bytes([len(raw) & 255]) + raw] if "'" not in text else []
    return chance.choice(forms)


def numpy_header(chance: Random, data: bytes) -> bytes:
    """Give an array another header: version, type, shape, order, padding."""
    length = struct.unpack_from("<H", data, 8)[0]
    body = data[10 + length :]
    descr = chance.choice((
        "'|O'", "'O'", "'=O8'", "'<f8'", "[('a', '|O')]", "[('a', [('b', 'O')])]", "'|V8'", "'<U2'",
        "[('a', '<i4'), ('b', 'O', (2,))]", "'<M8[ns]'", "('O', (1,))",
    ))  # fmt: skip
    shape = chance.choice((
        "()", "(1,)", "(2, 3)", "(0,)", "(1L,)", "(-1,)", "(10**3,)", "(9223372036854775807, 4)",
    ))  # fmt: skip
    header = (
        f"{{'descr': {descr}, 'fortran_order': {chance.choice(('False', 'True'))}, 'shape': {shape}, }}"
    )
    header += chance.choice(("\n", "", " " * 50 + "\n", " #\n"))
    version = chance.choice((1, 1, 2, 3))
    size = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + size + header.encode() + body


def safetensors_header(chance: Random, data: bytes) -> bytes:
    """Give a file of tensors another header: names, offsets, shapes, types, length, white space."""
    (length,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    name = chance.choice([each for each in header if each != "__metadata__"])
    change = chance.randrange(6)
    if change == 0:
        header[name]["data_offsets"][chance.randrange(2)] += chance.choice((-8, -1, 1, 8, 1 << 40))
    elif change == 1:
        header[name]["shape"] = chance.choice(([], [0], [1 << 62, 4], [-1], ["2"], [2.0]))
    elif change == 2:
        header[name]["dtype"] = chance.choice(("F32", "I8", "F4", "X", None))
    elif change == 3:
        header["__metadata__"] = chance.choice(
            ({"a": "cos\nsystem\n(Vtrue\ntR."}, {"t": "{{ x.__class__ }}"}, [])
        )
    elif change == 4:
        header[name + "2"] = header[name]
    text = json.dumps(header).encode() + b" " * chance.choice((0, 7))
    return struct.pack("<Q", len(text) + chance.choice((0, 0, 0, -1, 1))) + text + body


GENERAL: tuple[Mutation, ...] = (flip, interesting, cut, moved, before_or_after, archived)


def of(data: bytes) -> tuple[Mutation, ...]:
    """Return the mutations that know a file's format; none for none."""
    if data[:2] == b"PK":
        return (zip_fields, zip_members, zip_hidden)
    if data[:6] == b"\x93NUMPY":
        return (numpy_header,)
    if data[257:262] == b"ustar":
        return (tar_fields,)
    if data[8:9] == b"{":
        return (safetensors_header,)
    if data[:1] == b"\x80" or data[:1] in (b"c", b"(", b"]", b"}"):
        return (opcodes,)
    return ()


def any_of(chance: Random, data: bytes) -> bytes:
    """Mutate a file by what knows its format, or else by what fits any."""
    known = of(data)
    chosen = chance.choice(known) if known and chance.random() < 0.75 else chance.choice(GENERAL)
    try:
        return chosen(chance, data)
    except (ValueError, LookupError, struct.error, zipfile.BadZipFile, TypeError, pickle.PickleError,
            RuntimeError, NotImplementedError, OSError, EOFError, zlib.error):  # fmt: skip
        return flip(chance, data) if data else data
