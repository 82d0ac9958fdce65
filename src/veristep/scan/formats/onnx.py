"""ONNX: a graph in protocol buffers. Source: ``onnx.proto`` of ONNX 1.18, and the wire format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from veristep.scan import machine
from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort
from veristep.scan.source import ShortError, Source, buffered

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SMALL, _MOST_FIELDS, _MOST_NESTED = 1 << 16, 2_000_000, 40
_OWN = frozenset({
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft",
    "com.microsoft.nchwc", "pkg.onnxscript.torch_lib", "pkg.onnxscript.torch_lib.common",
    "org.pytorch.aten",
})  # fmt: skip
# Field numbers.
_MODEL = {7: "graph", 25: "function"}
_GRAPH = {1: "node", 5: "tensor", 15: "sparse"}
_NODE = {5: "attribute"}
_ATTRIBUTE = {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"}
_FUNCTION = {7: "node"}
_SPARSE = {1: "tensor", 2: "tensor"}
_INSIDE = {
    "model": _MODEL, "graph": _GRAPH, "node": _NODE, "attribute": _ATTRIBUTE, "function": _FUNCTION,
    "sparse": _SPARSE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    kind: int
    start: int
    length: int


def recognises(item: Item, head: bytes) -> bool:
    """Whether it is named like one, or begins with a version and a producer as all writers write."""
    if item.name.endswith(".onnx"):
        return True
    return len(head) > 4 and head[0] == 8 and 0 < head[1] < 32 and head[2] in (0x12, 0x3A, 0x42)


def look(scan: Looking, item: Item) -> str:
    """Look at where tensors' data lie and which operators there are."""
    scan.notes.parts += 1
    state = [0]
    domains: set[str] = set()
    names: set[str] = set()
    own: set[str] = set()
    _walk(scan, item, "model", 0, item.source.size, 0, (state, domains, names, own))
    item.claim()  # each byte is in a field that was gone through
    file, _stream = buffered(item.source)
    if machine.runs_something(machine.run(file, scan.names), scan.names):
        scan.deny(item, Sort.EMBEDDED, "it is a pickle as well, one that runs something")
    for domain in sorted(domains - _OWN - own):
        scan.doubt(item, Sort.EXTERNAL, f"it uses operators of {domain!r}, somebody's library")
    return "ONNX model"


def _walk(
    scan: Looking, item: Item, what: str, start: int, length: int, depth: int,
    kept: tuple[list[int], set[str], set[str], set[str]],
) -> None:  # fmt: skip
    state, domains, _names, own = kept
    if depth > _MOST_NESTED:
        raise RecursionError
    for field in _fields(item.source, start, length, state):
        inner = _INSIDE.get(what, {}).get(field.number)
        if what == "tensor" and field.number == 13:
            _external(scan, item, field, state)
        elif what == "node" and field.number == 7:
            domains.add(_text(item.source, field))
        elif what == "function" and field.number == 10:
            own.add(_text(item.source, field))
        elif inner is not None and field.kind == _BYTES:
            _walk(scan, item, inner, field.start, field.length, depth + 1, kept)


def _external(scan: Looking, item: Item, entry: _Field, state: list[int]) -> None:
    pair = {
        field.number: _text(item.source, field)
        for field in _fields(item.source, entry.start, entry.length, state)
        if field.kind == _BYTES
    }
    if pair.get(1) != "location":
        return
    place = pair.get(2, "").replace("\\", "/")
    if place.startswith("/") or ".." in place.split("/") or place[1:2] == ":":
        scan.deny(item, Sort.EXTERNAL, "its tensors lie outside of its folder", place)


def _text(source: Source, field: _Field) -> str:
    return source.read(field.start, min(field.length, _SMALL)).decode("utf-8", "replace")


def _fields(source: Source, start: int, length: int, state: list[int]) -> Iterator[_Field]:
    """Yield the fields of a message; their contents are not read."""
    position, end = start, start + length
    while position < end:
        state[0] += 1
        if state[0] > _MOST_FIELDS:
            raise RecursionError
        key, position = _varint(source, position, end)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, position = _varint(source, position, end)
            continue
        if kind == _BYTES:
            size, position = _varint(source, position, end)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if not number or size < 0 or position + size > end:
            raise ShortError(f"field {number} at byte {position:,} does not fit")
        yield _Field(number, kind, position, size)
        position += size


def _varint(source: Source, position: int, end: int) -> tuple[int, int]:
    data = source.read(position, min(10, end - position))
    value = 0
    for count, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, position + count + 1
    raise ShortError(f"a number at byte {position:,} does not end")
