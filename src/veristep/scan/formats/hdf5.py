"""HDF5, as Keras writes it: the model's configuration is a string of JSON in it.

The format is not read; its strings are. What could not be found or does not end is unknown.
"""

from __future__ import annotations

import json
import re

from veristep.scan.formats import texts
from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort

_MAGIC = b"\x89HDF\r\n\x1a\n"
_MOST = 256 << 20
_CONFIG = re.compile(rb'\{\s*"(?:class_name|module|name|config)"\s*:')
_OUTSIDE = re.compile(rb"(?:\.\./|/)[\w./-]+\.h5\0")


def _end(data: bytes) -> int:
    """Return where the file ends by its own account; what follows is none of its.

    Source: HDF5 File Format Specification 3.0, II.A: the superblock's end-of-file address.
    """
    version = data[8] if len(data) > 8 else 255
    # Behind the signature: versions, sizes, and the base address; two more numbers stand in version 1.
    place, width_at = {0: (24, 13), 1: (28, 13), 2: (12, 9), 3: (12, 9)}.get(version, (0, 0))
    width = data[width_at] if place and len(data) > width_at else 0
    end = int.from_bytes(data[place + 2 * width : place + 3 * width], "little") if width else 0
    return end if end else len(data)


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as one."""
    del item
    return head.startswith(_MAGIC)


def look(scan: Looking, item: Item) -> str:
    """Look at every configuration in it."""
    scan.notes.parts += 1
    if item.source.size > _MOST:
        scan.doubt(item, Sort.LIMIT, f"HDF5 files larger than {_MOST >> 20} MiB are not read")
        return "HDF5"
    data = item.source.read(0, item.source.size)
    item.claim(0, _end(data))
    end, found = 0, 0
    for match in _CONFIG.finditer(data):
        if match.start() < end:
            continue
        text = data[match.start() :].partition(b"\0")[0].decode("utf-8", "replace")
        try:
            value, length = json.JSONDecoder().raw_decode(text)
        except ValueError:
            scan.doubt(
                item, Sort.DAMAGED, "a configuration in it does not end where it lies: it may be split"
            )
            if b'"Lambda"' in data:
                scan.deny(
                    item, Sort.EMBEDDED, "a layer of it is a Lambda: code of the file runs with the model"
                )
            continue
        end = match.start() + length
        found += 1
        texts.values(scan, item, value)
    if not found and (b"class_name" in data or b"model_config" in data):
        scan.doubt(item, Sort.DAMAGED, "it holds a configuration that could not be found")
    return "HDF5"
