"""The random states a training step draws from: torch, CUDA devices, NumPy's global one and Python's.

Generators a script makes for itself are not reached; what they draw is seen in the batches.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from blake3 import blake3

from veristep.record import pack
from veristep.record import twister_torch as twister
from veristep.record.memory import MEMORY
from veristep.record.tensors_torch import raw

State = dict[str, Any]
_cuda_is_used: Callable[[], bool] = torch.cuda.is_initialized
_WORDS = struct.Struct("<625I")
_HEADER_BYTES, _STATE_BYTES = object.__basicsize__, _WORDS.size
# NumPy's mt19937_state: 624 words of 32 bits and the position.
_MT19937_BYTES = 624 * 4 + 4
# Enough of a state to tell whether it has changed.
_MARK_BYTES = 64


def capture() -> State:
    """Return the states as plain values a pack can hold; 5 to 20 microseconds.

    What has not changed since the last capture is the same object: most steps draw from torch at most.
    It is one function with few calls because it runs at every step, when nothing of it is in a cache.
    """
    now = bytes(MEMORY[_torch_start : _torch_start + _torch_bytes])
    if now != _last.torch_memory or not now:
        words = _generator.get_state()
        start = words.data_ptr()
        _last.torch, _last.torch_memory = bytes(MEMORY[start : start + words.nbytes]), now
    mark = bytes(MEMORY[_python_mark : _python_mark + _MARK_BYTES]) if _python_mark else b""
    if mark != _last.python_mark or _python.gauss_next is not _last.gauss or not mark:
        _note_python(mark)
    state: State = {"torch": _last.torch, "python": _last.python}
    legacy = _last.legacy
    bits = None if legacy is None else legacy._bit_generator
    if bits is not None and bits is _last.bits:
        # Reading the state takes 30 microseconds, looking at the generator's memory less than one. A second
        # normal deviate kept for the next call is not in that memory, but none can appear without a draw.
        mark = bytes(MEMORY[_last.numpy_mark : _last.numpy_mark + _MARK_BYTES])
        if mark != _last.numpy_seen or _last.numpy[3]:
            _note_numpy(mark)
        state["numpy"] = _last.numpy
    elif (numpy_state := _numpy_state()) is not None:
        state["numpy"] = numpy_state
    if _cuda_is_used():
        state["cuda"] = [_bytes(each) for each in torch.cuda.get_rng_state_all()]
    return state


def restore(state: State) -> None:
    """Put captured states in place; what this process has no generator for is left out."""
    torch.set_rng_state(_tensor(state["torch"]))
    version, words, gauss = state["python"]
    random.setstate((version, _WORDS.unpack(words), gauss))
    numpy = sys.modules.get("numpy")
    if "numpy" in state and numpy is not None and hasattr(numpy, "random"):
        name, keys, position, has_gauss, cached = state["numpy"]
        array = numpy.frombuffer(keys, dtype=numpy.uint32)
        numpy.random.set_state((name, array, position, has_gauss, cached))
    if "cuda" in state and torch.cuda.is_available():
        for device, each in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(_tensor(each), device)


def digest(state: State, digest_of: Callable[[bytes], bytes] = pack.digest_bytes) -> str:
    """Return a digest that is equal when every generator would draw the same.

    BLAKE3 over name and values of each generator, in the order of names: a byte string stands as its
    digest as a part of a pack, anything else as its `repr`.
    """
    found: list[bytes] = []
    for name in sorted(state):
        found.append(name.encode())
        value = state[name]
        values = value if type(value) is list else (value,)
        found += [digest_of(each) if type(each) is bytes else repr(each).encode() for each in values]
    return blake3(b"".join(found)).hexdigest()


@dataclass(slots=True)
class _Seen:
    """What was captured last, and where NumPy's global generator keeps its state.

    A mark is the position of a Mersenne twister and the fifteen words beside it: a draw changes the
    position or, every 624 draws, all words, and a new seed changes all words too.

    Attributes:
        legacy: NumPy's global `RandomState`; None until NumPy has been imported.
        bits: its bit generator, held so that no other one can take its place in memory.
    """

    torch_memory: bytes = b""
    torch: bytes = b""
    python_mark: bytes = b""
    python: list[Any] = field(default_factory=list)
    gauss: Any = None
    legacy: Any = None
    bits: Any = None
    numpy_mark: int = 0
    numpy_seen: bytes = b""
    numpy: list[Any] = field(default_factory=list)


_last = _Seen()


def _note_python(mark: bytes) -> None:
    """Read the state of Python's global generator: version, 625 words, and the deviate it keeps.

    `random.getstate` builds 625 integers. CPython keeps them as an array of 32-bit words behind the
    position, right after the object's header; where that is so, they are read there.
    """
    _last.python_mark, _last.gauss = mark, _python.gauss_next
    if mark:
        raw = bytes(MEMORY[_python_mark : _python_mark + _STATE_BYTES])
        _last.python = [_python.VERSION, raw[4:] + raw[:4], _python.gauss_next]
    else:
        version, words, gauss = _python.getstate()
        _last.python = [version, _WORDS.pack(*words), gauss]


def _memory_is_as_expected() -> bool:
    if sys.implementation.name != "cpython":
        return False
    generator = random.Random(1)  # noqa: S311 - a generator to look at, not to draw secrets from
    for draws in (0, 5, 700):
        for _ in range(draws):
            generator.random()
        start = id(generator) + _HEADER_BYTES
        raw = bytes(MEMORY[start : start + _STATE_BYTES])
        if raw[4:] + raw[:4] != _WORDS.pack(*generator.getstate()[1]):
            return False
    return True


def _numpy_state() -> list[Any] | None:
    """Read NumPy's state for the first time, or whenever its bit generator is another one."""
    numpy = sys.modules.get("numpy")
    module = getattr(getattr(numpy, "random", None), "mtrand", None)
    if module is None:
        return None
    _last.legacy, _last.bits = module._rand, None
    bits: Any = getattr(_last.legacy, "_bit_generator", None)
    mark = b""
    if type(bits).__name__ == "MT19937":
        # Its memory: 624 words and then the position.
        _last.bits = bits
        _last.numpy_mark = bits.ctypes.state_address + _MT19937_BYTES - _MARK_BYTES
        mark = bytes(MEMORY[_last.numpy_mark : _last.numpy_mark + _MARK_BYTES])
    _note_numpy(mark)
    return _last.numpy


def _note_numpy(mark: bytes) -> None:
    name, keys, position, has_gauss, cached = sys.modules["numpy"].random.get_state()
    _last.numpy_seen = mark
    _last.numpy = [name, keys.tobytes(), int(position), int(has_gauss), float(cached)]


def _bytes(tensor: torch.Tensor) -> bytes:
    _keep, view = raw(tensor)
    return bytes(view)


def _tensor(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


_generator = torch.default_generator
_torch_start, _torch_bytes = twister.place(_generator)
_python: Any = random._inst
_python_mark = id(_python) + _HEADER_BYTES if _memory_is_as_expected() else 0
