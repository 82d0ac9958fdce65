"""The random states a training step draws from: torch, CUDA devices, NumPy's global one and Python's.

Generators a script makes for itself are not reached; what they draw is seen in the batches.
"""

from __future__ import annotations

import ctypes
import random
import struct
import sys
from collections.abc import Callable
from typing import Any

import torch
from blake3 import blake3

from veristep.record.tensors_torch import raw

State = dict[str, Any]
_cuda_is_used: Callable[[], bool] = torch.cuda.is_initialized
_WORDS = struct.Struct("<625I")
_HEADER_BYTES, _STATE_BYTES = object.__basicsize__, _WORDS.size
# NumPy's mt19937_state: 624 words of 32 bits and the position.
_MT19937_BYTES = 624 * 4 + 4


def capture() -> State:
    """Return the states as plain values a pack can hold; 5 to 20 microseconds."""
    words = torch.default_generator.get_state()
    state: State = {
        "torch": ctypes.string_at(words.data_ptr(), words.nbytes),
        "python": _python_state(),
    }
    legacy = _numpy_state()
    if legacy is not None:
        state["numpy"] = legacy
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


def digest(state: State) -> str:
    """Return a digest that is equal when every generator would draw the same."""
    hasher = blake3()
    for name in sorted(state):
        hasher.update(name.encode())
        _feed(hasher, state[name])
    return hasher.hexdigest()


def _python_state() -> list[Any]:
    """Return the state of Python's global generator: version, 625 words, and the deviate it keeps.

    `random.getstate` builds 625 integers. CPython keeps them as an array of 32-bit words behind the
    position, right after the object's header; where that is so, it is read there.
    """
    generator: Any = random._inst
    if _MEMORY_IS_AS_EXPECTED:
        raw = ctypes.string_at(id(generator) + _HEADER_BYTES, _STATE_BYTES)
        return [generator.VERSION, raw[4:] + raw[:4], generator.gauss_next]
    version, words, gauss = generator.getstate()
    return [version, _WORDS.pack(*words), gauss]


def _memory_is_as_expected() -> bool:
    if sys.implementation.name != "cpython":
        return False
    generator = random.Random(1)  # noqa: S311 - a generator to look at, not to draw secrets from
    for draws in (0, 5, 700):
        for _ in range(draws):
            generator.random()
        raw = ctypes.string_at(id(generator) + object.__basicsize__, _WORDS.size)
        if raw[4:] + raw[:4] != _WORDS.pack(*generator.getstate()[1]):
            return False
    return True


class _NumpyCache:
    """The last state read from NumPy's global generator, and the raw memory it was read with."""

    raw = b""
    state: list[Any] | None = None
    # The bit generator last seen, held so that no other one can take its place in memory.
    bits: Any = None
    address = 0


def _numpy_state() -> list[Any] | None:
    numpy = sys.modules.get("numpy")
    generator = getattr(getattr(numpy, "random", None), "mtrand", None)
    if numpy is None or generator is None:
        return None
    # Reading the state takes 30 microseconds, looking at the generator's memory less than one. A second
    # normal deviate kept for the next call is not in that memory, but none can appear without a draw.
    raw = _raw_memory(generator._rand)
    known = _NumpyCache.state
    if known is not None and raw and raw == _NumpyCache.raw and not known[3]:
        return known
    name, keys, position, has_gauss, cached = numpy.random.get_state()
    state = [name, keys.tobytes(), int(position), int(has_gauss), float(cached)]
    _NumpyCache.raw, _NumpyCache.state = raw, state
    return state


def _raw_memory(legacy: Any) -> bytes:
    try:
        bits = legacy._bit_generator
        if bits is _NumpyCache.bits:
            return ctypes.string_at(_NumpyCache.address, _MT19937_BYTES)
        if type(bits).__name__ != "MT19937":
            return b""
        _NumpyCache.address = bits.ctypes.state_address
        _NumpyCache.bits = bits
        return ctypes.string_at(_NumpyCache.address, _MT19937_BYTES)
    except (AttributeError, TypeError):
        return b""


def _feed(hasher: Any, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _feed(hasher, item)
    elif isinstance(value, bytes):
        hasher.update(value)
    else:
        hasher.update(repr(value).encode())


def _bytes(tensor: torch.Tensor) -> bytes:
    _keep, view = raw(tensor)
    return bytes(view)


def _tensor(data: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


_MEMORY_IS_AS_EXPECTED = _memory_is_as_expected()
