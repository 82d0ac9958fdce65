"""safetensors: a JSON header and raw numbers. Source: the format's own description, version 0.4."""

from __future__ import annotations

import json
import struct

from veristep.scan.formats import texts
from veristep.scan.looking import Item, Looking
from veristep.scan.numbers import numbers
from veristep.scan.seen import Sort

MOST_HEADER = 100_000_000
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64,
    "I64": 64,
    "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


def recognises(item: Item, head: bytes) -> bool:
    """Whether a JSON object follows a length that fits the file."""
    if len(head) < 10 or head[8:9] != b"{":
        return False
    return bool(
        struct.unpack_from("<Q", head)[0] <= item.source.size - 8 or item.name.endswith(".safetensors")
    )


def look(scan: Looking, item: Item) -> str:
    """Compare the header with itself and with the file's size."""
    scan.notes.parts += 1
    (length,) = struct.unpack("<Q", item.source.exactly(0, 8))
    if length > MOST_HEADER:
        scan.deny(item, Sort.HEADER, f"its header of {length:,} bytes is longer than the format allows")
        return "safetensors"
    text = item.source.exactly(8, length)
    header = json.loads(text, object_pairs_hook=lambda pairs: _unique(scan, item, pairs))
    spans = []
    for name, tensor in header.items():
        if name == "__metadata__":
            texts.values(scan, item, tensor)
            continue
        begin, end = tensor["data_offsets"]
        spans.append((begin, end, name))
        bits = _BITS.get(tensor["dtype"])
        for each in tensor["shape"]:
            bits = bits * each if bits is not None else None
        if bits is None:
            scan.doubt(
                item, Sort.HEADER, f"the tensor {name!r} is of a type that is not known: {tensor['dtype']}"
            )
        elif (bits + 7) // 8 != end - begin:
            text_ = (
                f"the tensor {name!r} claims {end - begin:,} bytes, and its shape needs {(bits + 7) // 8:,}"
            )
            scan.deny(item, Sort.HEADER, text_)
    item.claim(0, 8 + length)
    _spans(scan, item, sorted(spans), item.source.size - 8 - length)
    for begin, end, _ in spans:
        numbers(scan, item, 8 + length + begin, 8 + length + end)
    return "safetensors"


def _spans(scan: Looking, item: Item, spans: list[tuple[int, int, str]], size: int) -> None:
    position = 0
    for begin, end, name in spans:
        if begin != position or end < begin:
            what = "overlaps what is before it" if begin < position else "leaves a gap before it"
            scan.deny(item, Sort.HEADER, f"the tensor {name!r} {what}", f"bytes {begin:,} to {end:,}")
            return
        position = end
    if position != size:
        text = (
            "the file ends before its last tensor does"
            if position > size
            else "bytes follow the last tensor"
        )
        scan.deny(item, Sort.HEADER, text, f"{position:,} bytes of tensors, {size:,} in the file")


def _unique(scan: Looking, item: Item, pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) != len(pairs):
        scan.deny(item, Sort.HEADER, "a name stands twice in its header: readers take one or the other")
    return dict(pairs)
