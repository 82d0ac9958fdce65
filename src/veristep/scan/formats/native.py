"""Compiled code: loading it is running it."""

from __future__ import annotations

from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort

_MAGIC = {
    b"\x7fELF": "a Linux library or program",
    b"\xcf\xfa\xed\xfe": "a macOS library or program",
    b"\xce\xfa\xed\xfe": "a macOS library or program",
    b"\xca\xfe\xba\xbe": "a macOS library or Java class",
    b"!<ar": "an archive of object files",
    b"\x00asm": "a WebAssembly module",
}
# The magic number of compiled Python changes with each release; it ends in a line's end, as always.
# By themselves, under their own names, they are somebody's library and no artifact.
_OWN_NAMES = (".so", ".pyd", ".dll", ".exe", ".dylib", ".pyc", ".o", ".a")
_PYC = b"\r\n"


def _what(head: bytes) -> str:
    if head[:2] == b"MZ" and len(head) > 64:
        return "a Windows library or program"
    if head[2:4] == _PYC and head[1:2] == b"\x0d":
        return "compiled Python"
    if head[:2] == b"#!":
        return "a script"
    return _MAGIC.get(head[:4], "")


def recognises(item: Item, head: bytes) -> bool:
    """Whether it begins as compiled code does."""
    del item
    return bool(_what(head))


def look(scan: Looking, item: Item) -> str:
    """Note it: what it does is not looked into."""
    what = _what(item.source.read(0, 128))
    if what == "a script":
        scan.doubt(item, Sort.NATIVE, f"it is {what}, which nothing of a model needs")
    elif not item.depth and item.name.endswith(_OWN_NAMES):
        scan.doubt(item, Sort.NATIVE, f"it is {what}: what it does is not looked into")
    else:
        scan.deny(item, Sort.NATIVE, f"it is {what}: loading it runs it")
    return what.partition(" ")[2]
