"""This process's memory as one `memoryview`: ``MEMORY[address:address + size]`` are the bytes there.

A slice costs a quarter of a microsecond and no call into ctypes, whose code is in no cache between two
training steps. It keeps nothing alive: whoever slices must hold what lies there.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

# User space of 64-bit Linux: 47 bits on x86-64, 48 on AArch64. Nothing is read until a slice of it is.
_ADDRESS_BITS = 48 if sys.maxsize > 1 << 32 else 30

MEMORY: Final = memoryview((ctypes.c_ubyte * (1 << _ADDRESS_BITS)).from_address(0)).cast("B")
