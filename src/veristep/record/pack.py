r"""The `veristep-pack/1` format: a tree of plain values with tensors, without code.

Layout::

    8 bytes   b"VSPACK1\\n"
    4 bytes   length of the header, little endian
    header    canonical JSON {"tree": ..., "parts": [[dtype, shape, length], ...]}
    parts     the raw bytes of each part, in order, without padding

In the tree a part is ``{"$part": n}``. Its dtype is the torch name (``float32``) or ``bytes``. Tuples,
mappings with other than string keys, and non-finite floats are written as ``{"$tuple": [...]}``,
``{"$map": [[key, value], ...]}`` and ``{"$float": "nan"}``. Nothing in a pack names a class or a
function: reading one runs no code, whatever wrote it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from blake3 import blake3

from veristep.core.canonical import Json, decode_object, encode
from veristep.errors import MalformedError

MAGIC = b"VSPACK1\n"
# A header describes at most a few hundred thousand tensors; anything longer is not one of ours.
MAX_HEADER_BYTES = 256 << 20


class Part(NamedTuple):
    """Raw bytes with the dtype and shape to read them by."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview

    @property
    def nbytes(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def digest(self) -> bytes:
        """Return the 32-byte digest of dtype, shape and bytes, as `blake3:tensor-v1` has it."""
        hasher = blake3(_head(self.dtype, self.shape))
        hasher.update(self.data)
        return hasher.digest()


@functools.lru_cache(maxsize=4096)
def _head(dtype: str, shape: tuple[int, ...]) -> bytes:
    return f"{dtype}\0{','.join(map(str, shape))}\0".encode("ascii")


class Opaque(NamedTuple):
    """A value that was left out because a pack cannot hold it; only its type is named."""

    type_name: str


_AS_IS = frozenset({type(None), bool, int, str})
ToPart = Callable[[Any], Part | None]
FromPart = Callable[[Part], Any]


class Packed(NamedTuple):
    """A pack's lead (magic and header) and parts, to be written one after another."""

    lead: bytes
    parts: list[Part]

    @property
    def buffers(self) -> list[bytes | memoryview]:
        """The bytes to write, in order."""
        return [self.lead, *(part.data for part in self.parts)]

    def digest(self, known: Mapping[int, bytes] | None = None) -> str:
        """Return BLAKE3 over the lead and the digest of each part, in hex.

        The digest of a part is that of its tensor (`blake3:tensor-v1`): a tensor that was digested
        already is not read twice. `known` holds such digests by the number of the part.
        """
        known = known or {}
        digests = (known.get(number) or part.digest() for number, part in enumerate(self.parts))
        return blake3(b"".join([self.lead, *digests])).hexdigest()


def write(tree: Any, to_part: ToPart) -> Packed:
    """Return a pack holding `tree`.

    `to_part` turns a tensor into a part and answers None for anything else. A value that has no
    form in a pack becomes `Opaque`.
    """
    body, parts = split(tree, to_part)
    table: list[Json] = [[part.dtype, list(part.shape), part.data.nbytes] for part in parts]
    header = encode({"tree": body, "parts": table})
    lead = MAGIC + len(header).to_bytes(4, "little") + header
    return Packed(lead, parts)


def split(tree: Any, to_part: ToPart) -> tuple[Json, list[Part]]:
    """Return a tree as JSON with its parts beside it, as `write` puts them together."""
    parts: list[Part] = []
    return _encode(tree, to_part, parts), parts


def join(tree: Json, parts: list[Part], from_part: FromPart) -> Any:
    """Return the tree that `split` took apart.

    Raises:
        MalformedError: it names a part there is none of.
    """
    try:
        return _decode(tree, parts, from_part)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise MalformedError(f"no tree with {len(parts)} parts: {error!r}") from error


def read(data: memoryview | bytes, from_part: FromPart) -> Any:
    """Parse a whole pack.

    Raises:
        MalformedError: the bytes are not a pack, are cut short, or go on after its end.
    """
    view = memoryview(data)
    header, parts = _split(view)
    try:
        return _decode(header["tree"], parts, from_part)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise MalformedError(f"pack does not hold a tree: {error!r}") from error


def find(read: Callable[[int], bytes], length: int, field: str) -> tuple[int, int] | None:
    """Return offset and size of the part in a field of a pack's tree, reading only its header.

    Args:
        read: reads so many bytes from the start of the pack on.
        length: of the whole pack.
        field: a key of the tree.

    Raises:
        MalformedError: that is not a pack of this length.
    """
    lead = read(len(MAGIC) + 4)
    size = int.from_bytes(lead[len(MAGIC) :], "little")
    if size > length:
        raise MalformedError("pack header is longer than the pack")
    header, offset = _header(memoryview(lead + read(size)))
    tree = header.get("tree")
    value = tree.get(field) if isinstance(tree, dict) else None
    number = value.get("$part") if isinstance(value, dict) else None
    for place, (_dtype, _shape, part) in enumerate(_table(header)):
        if place == number:
            return (offset, part) if offset + part <= length else None
        offset += part
    return None


def digest_bytes(data: bytes) -> bytes:
    """Return the 32-byte digest of a byte string as a part."""
    return Part("bytes", (len(data),), memoryview(data)).digest()


def digest(data: memoryview | bytes) -> str:
    """Return the digest of a whole pack, as `Packed.digest` has it.

    Raises:
        MalformedError: as `read`.
    """
    view = memoryview(data)
    _header_fields, parts = _split(view)
    length = sum(part.data.nbytes for part in parts)
    return Packed(bytes(view[: len(view) - length]), parts).digest()


def _split(view: memoryview) -> tuple[dict[str, Any], list[Part]]:
    header, offset = _header(view)
    parts = []
    for dtype, shape, length in _table(header):
        if offset + length > len(view):
            raise MalformedError("pack is cut short")
        parts.append(Part(dtype, shape, view[offset : offset + length]))
        offset += length
    if offset != len(view):
        raise MalformedError(f"pack has {len(view) - offset} bytes after its end")
    return header, parts


def _header(view: memoryview) -> tuple[dict[str, Any], int]:
    start = len(MAGIC) + 4
    if len(view) < start or bytes(view[: len(MAGIC)]) != MAGIC:
        raise MalformedError("not a veristep pack")
    length = int.from_bytes(view[len(MAGIC) : start], "little")
    if length > MAX_HEADER_BYTES or start + length > len(view):
        raise MalformedError("pack header is cut short")
    header: dict[str, Any] = dict(decode_object(bytes(view[start : start + length])))
    return header, start + length


def _table(header: Mapping[str, Any]) -> Iterable[tuple[str, tuple[int, ...], int]]:
    try:
        for dtype, shape, length in header["parts"]:
            if not isinstance(dtype, str) or not isinstance(length, int) or length < 0:
                raise MalformedError(f"pack part {[dtype, shape, length]!r} is not valid")
            yield dtype, tuple(int(size) for size in shape), length
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"pack has no valid table of parts: {error!r}") from error


def _encode(value: Any, to_part: ToPart, parts: list[Part]) -> Json:
    # Speed: of a step's chunk nearly everything is of these types. Its encoding holds the interpreter
    # lock that the training needs.
    kind = type(value)
    if kind in _AS_IS:
        plain: Json = value
        return plain
    if kind is list:
        return [_encode(item, to_part, parts) for item in value]
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, (bytes, bytearray, memoryview)):
        parts.append(Part("bytes", (len(value),), memoryview(value)))
        return {"$part": len(parts) - 1}
    part = to_part(value)
    if part is not None:
        parts.append(part)
        return {"$part": len(parts) - 1}
    return _encode_container(value, to_part, parts)


def _encode_container(value: Any, to_part: ToPart, parts: list[Part]) -> Json:
    if isinstance(value, tuple):
        if isinstance(value, Opaque):
            return {"$opaque": value.type_name}
        return {"$tuple": [_encode(item, to_part, parts) for item in value]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: _encode(item, to_part, parts) for key, item in value.items()}
        pairs: list[Json] = [
            [_encode(key, to_part, parts), _encode(item, to_part, parts)] for key, item in value.items()
        ]
        return {"$map": pairs}
    if isinstance(value, list):
        return [_encode(item, to_part, parts) for item in value]
    return {"$opaque": f"{type(value).__module__}.{type(value).__qualname__}"}


def _decode(value: Any, parts: list[Part], from_part: FromPart) -> Any:
    if isinstance(value, list):
        return [_decode(item, parts, from_part) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$part": int(number)}:
            part = parts[number]
            return bytes(part.data) if part.dtype == "bytes" else from_part(part)
        case {"$tuple": list(items)}:
            return tuple(_decode(item, parts, from_part) for item in items)
        case {"$map": list(pairs)}:
            return {_key(k, parts, from_part): _decode(v, parts, from_part) for k, v in pairs}
        case {"$float": str(text)}:
            return float(text)
        case {"$opaque": str(name)}:
            return Opaque(name)
    return {key: _decode(item, parts, from_part) for key, item in value.items()}


def _key(value: Any, parts: list[Part], from_part: FromPart) -> Any:
    key = _decode(value, parts, from_part)
    hash(key)
    return key
