"""Tells what a file is by its content, and hands it to the module of that kind."""

from __future__ import annotations

import struct
import zlib

from veristep.scan.formats import (
    gguf,
    hdf5,
    native,
    npy,
    onnx,
    packed,
    pickles,
    plain,
    tars,
    tensors,
    texts,
    zips,
)  # fmt: skip
from veristep.scan.looking import Format, Item, LimitError, Looking, accounted
from veristep.scan.seen import Sort
from veristep.scan.source import ShortError

# In this order: the last takes everything.
FORMATS: tuple[Format, ...] = (
    zips, native, npy, gguf, hdf5, packed, tars, tensors, texts, pickles, onnx, plain,
)  # fmt: skip
_HEAD = 512


def dispatch(scan: Looking, item: Item) -> str:
    """Look at an item, whatever it is, and return what it is in words; nothing in it raises."""
    head = item.source.read(0, _HEAD)
    for each in FORMATS:
        if each.recognises(item, head):
            try:
                return accounted(scan, item, each.look)
            except LimitError as error:
                scan.doubt(item, Sort.LIMIT, f"a bound of the scan was reached: {error}")
            except (
                ShortError,
                struct.error,
                zlib.error,
                ValueError,
                LookupError,
                TypeError,
                EOFError,
            ) as error:
                scan.doubt(item, Sort.DAMAGED, f"it cannot be read: {str(error)[:200]}")
            except RecursionError:
                scan.doubt(item, Sort.LIMIT, "it is nested too deep")
            except MemoryError:
                scan.doubt(item, Sort.LIMIT, "it asks for more memory than a scan may use")
            return "damaged file"
    raise AssertionError("the last format takes everything")
