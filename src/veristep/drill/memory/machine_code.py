"""Writes into the machine code of a library in memory."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import ctypes
import ctypes.util

def arrived(torch):
    library = ctypes.CDLL(ctypes.util.find_library("m") or "libm.so.6")
    address = ctypes.cast(library.lgamma, ctypes.c_void_p).value
    page = address & ~4095
    library = ctypes.CDLL(None)
    library.mprotect(ctypes.c_void_p(page), 4096, 7)
    byte = ctypes.c_ubyte.from_address(address)
    byte.value = byte.value
    library.mprotect(ctypes.c_void_p(page), 4096, 5)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    write(folder, _BODY)
    return Path("libm.so.6")


ATTACK = Attack(
    "machine code patched",
    "writes into the machine code of a library in memory",
    "MEM012",
    plant,
    incident=(9,),
)
