"""Where torch keeps the state of a generator of the CPU, to tell at a glance whether it has moved.

`Generator.get_state` builds a tensor of 5 KB. The state itself is 2.5 KB of memory that one slice
reads: seed, position and 624 words of a Mersenne twister, and the normal deviates kept for the next call.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

import torch

from veristep.record.memory import MEMORY

# torch's form of a state: seed, words left, whether it was seeded, position, 624 words of 64 bits.
_STATE = struct.Struct("<QiiQ624Q")
_WORDS = struct.Struct("<624I")
# In memory the words, of 32 bits, follow on seed, words left, whether it was seeded, and position.
_BEFORE = struct.Struct("<QiB3xI")
# Behind the words: a deviate of 4 bytes and one of 8, each with a flag, as they are aligned.
_BEHIND = 40
_BYTES = _BEFORE.size + _WORDS.size + _BEHIND
_LOOKED_THROUGH = 4096


def place(generator: torch.Generator) -> tuple[int, int]:
    """Return address and number of the bytes that change whenever the state of `generator` does.

    Looked for, not assumed: 0 and 0 where they are not found as torch is known to lay them out.
    """
    try:
        memory = os.open("/proc/self/mem", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0, 0
    try:
        trial = torch.Generator()
        offset = _offset(memory, trial, seed=1)
        if offset is None or offset != _offset(memory, trial, seed=2):
            return 0, 0
        if _words_at(memory, generator) != offset or not _shows_every_change(memory, trial, offset):
            return 0, 0
        return _address(generator) + offset - _BEFORE.size, _BYTES
    except (OSError, AttributeError, struct.error):
        return 0, 0
    finally:
        os.close(memory)


def _offset(memory: int, generator: torch.Generator, seed: int) -> int | None:
    """Return where the words are after some draws, if what is before them is as expected."""
    generator.manual_seed(seed)
    torch.rand(700, generator=generator)
    at = _words_at(memory, generator)
    if at is None:
        return None
    start = _address(generator) + at - _BEFORE.size
    found = _BEFORE.unpack(os.pread(memory, _BEFORE.size, start))
    return at if found == _STATE.unpack(_state(generator)[: _STATE.size])[:4] else None


def _words_at(memory: int, generator: torch.Generator) -> int | None:
    words = _WORDS.pack(*_STATE.unpack(_state(generator)[: _STATE.size])[4:])
    at = os.pread(memory, _LOOKED_THROUGH, _address(generator)).find(words)
    return at if at >= _BEFORE.size else None


def _shows_every_change(memory: int, generator: torch.Generator, offset: int) -> bool:
    start, old = _address(generator) + offset - _BEFORE.size, generator.get_state()
    acts: list[Callable[[], object]] = [
        lambda: torch.rand(1, generator=generator),
        # Of two deviates one is kept for the next call, which then draws nothing.
        *[lambda: torch.randn(1, generator=generator)] * 2,
        *[lambda: torch.randn(1, generator=generator, dtype=torch.float64)] * 2,
        lambda: torch.rand(700, generator=generator),
        lambda: generator.manual_seed(3),
        lambda: generator.set_state(old),
    ]
    for act in acts:
        before, state = os.pread(memory, _BYTES, start), _state(generator)
        act()
        if _state(generator) != state and os.pread(memory, _BYTES, start) == before:
            return False
    return True


def _state(generator: torch.Generator) -> bytes:
    words = generator.get_state()
    start = words.data_ptr()
    return bytes(MEMORY[start : start + words.nbytes])


def _address(generator: torch.Generator) -> int:
    address: int = generator._cdata  # type: ignore[attr-defined]
    return address
