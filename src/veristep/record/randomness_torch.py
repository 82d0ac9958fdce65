"""The random states a training step draws from: torch, CUDA devices, NumPy's global one and Python's.

Generators a script makes for itself are not reached; what they draw is seen in the batches.
"""

from __future__ import annotations

import random
import struct
import sys
from typing import Any

import torch
from blake3 import blake3

from veristep.record.tensors_torch import raw

State = dict[str, Any]
_WORDS = struct.Struct("<625I")


def capture() -> State:
    """Return the states as plain values a pack can hold; about 30 microseconds."""
    version, words, gauss = random.getstate()
    state: State = {
        "torch": _bytes(torch.get_rng_state()),
        "python": [version, _WORDS.pack(*words), gauss],
    }
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        name, keys, position, has_gauss, cached = numpy.random.get_state()
        state["numpy"] = [name, keys.tobytes(), int(position), int(has_gauss), float(cached)]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
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
