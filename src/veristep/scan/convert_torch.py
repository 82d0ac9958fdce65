"""The process that loads a checkpoint in order to write it anew, as numbers and JSON.

Only names of the lists are made real, and only of modules that are loaded already; for all others stands
an object that keeps its state and does nothing. The process can open and start nothing by then.

Runs as ``python -I -c BOOT ROOT FILE TENSORS REPORT``, the last three being descriptors.
"""

from __future__ import annotations

import base64
import collections
import datetime as dt
import decimal
import fractions
import hashlib
import io
import json
import math
import os
import pathlib
import pickle
import sys
import uuid
from typing import Any

import numpy as np
import numpy.random._pickle
import torch

from veristep.scan import confine, profiles
from veristep.scan.machine import CHECKED

_CHUNK = 1 << 24
_TYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.complex64: "C64", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
_PLAIN = (str, bool, int, type(None))
_LOADED = (collections, dt, decimal, fractions, pathlib, uuid, numpy)


class _Inert:
    """Stands for an object of a class that is not on the lists: keeps its state, does nothing."""

    named = ""

    def __new__(cls, *_arguments: Any, **_named: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **_named: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take a value."""

    def extend(self, values: Any) -> None:
        """Take values."""

    def __call__(self, *_arguments: Any, **_named: Any) -> Any:
        return self


class _Restricted(pickle.Unpickler):
    """An unpickler that makes real what is on the lists."""

    # A numpy scalar that is a class would matter in a process that lives on; this one does not.
    allowed = (profiles.load(*profiles.ARTIFACT) - CHECKED) | {
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
    }

    def find_class(self, module: str, name: str, /) -> Any:
        real = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) in self.allowed and real in sys.modules and "." not in name:
            found = getattr(sys.modules[real], name, None)
            if found is not None:
                return found
        if (module, name) == ("_codecs", "encode"):
            return _encoded
        return type("Inert", (_Inert,), {"named": f"{module}.{name}"})


def _encoded(text: str, _codec: str = "latin1") -> bytes:
    return text.encode("latin1")


class _Module:
    """What `torch.load` takes for the pickle module."""

    Unpickler = _Restricted
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **how: Any) -> Any:
        return _Restricted(file, **how).load()


class Writer:
    """Writes tensors one after another, and everything else as JSON that refers to them."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.tensors: dict[str, dict[str, Any]] = {}
        self.digests: dict[str, str] = {}
        self.omitted: dict[str, str] = {}
        self.position = 0
        self._known: dict[Any, str] = {}
        self._keep: list[Any] = []

    def value(self, value: Any, place: str) -> Any:
        """Return a value as JSON; tensors are written."""
        if isinstance(value, torch.Tensor):
            return self._tensor(value, place)
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.dtype.isnative:
            return {"$array": self._tensor(torch.from_numpy(np.ascontiguousarray(value).copy()), place)}
        if isinstance(value, np.generic):
            return self.value(value.item(), place)
        if type(value) in _PLAIN:
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, dict):
            return self._mapping(value, place)
        if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            items = [self.value(each, f"{place}.{number}") for number, each in enumerate(value)]
            return items if type(value) is list else {f"${type(value).__name__.lower()}": items}
        if isinstance(value, (bytes, bytearray)):
            return {"$bytes": base64.b64encode(value).decode()}
        return self._object(value, place)

    def _object(self, value: Any, place: str) -> Any:
        if isinstance(value, (torch.dtype, torch.device, torch.layout)):
            return {"$torch": str(value)}
        if isinstance(value, torch.nn.Module):
            parts = {**value._parameters, **value._buffers, **value._modules}
            return {"$module": type(value).__qualname__, "state": self._mapping(parts, place)}
        if isinstance(value, (pathlib.PurePath, dt.date, dt.time, decimal.Decimal, uuid.UUID)):
            return {f"${type(value).__name__.lower()}": str(value)}
        named = (
            value.named
            if isinstance(value, _Inert)
            else f"{type(value).__module__}.{type(value).__qualname__}"
        )
        self.omitted[place] = named
        state = value.state if isinstance(value, _Inert) else None
        return (
            {"$omitted": named, "state": self.value(state, place)}
            if state is not None
            else {"$omitted": named}
        )

    def _mapping(self, value: dict[Any, Any], place: str) -> Any:
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {
                key: self.value(each, f"{place}.{key}" if place else key) for key, each in value.items()
            }
        pairs = [
            [self.value(key, place), self.value(each, f"{place}.{key}")] for key, each in value.items()
        ]
        return {"$items": pairs}

    def _tensor(self, value: torch.Tensor, place: str) -> Any:
        kind = _TYPES.get(value.dtype)
        if kind is None or value.layout is not torch.strided or value.is_quantized:
            self.omitted[place] = f"a tensor of {value.dtype}, {value.layout}"
            return {"$omitted": self.omitted[place]}
        value = value.detach()
        same = (
            value.untyped_storage().data_ptr(),
            value.storage_offset(),
            value.shape,
            value.stride(),
            kind,
        )
        if value.numel() and same in self._known:
            return {"$tensor": self._known[same]}
        name = place or "tensor"
        while name in self.tensors or name == "__metadata__":
            name += "_"
        self._known[same] = name
        self._keep.append(value)  # or another tensor could get its place in memory
        data = _bytes(value)
        self.digests[name] = hashlib.sha256(data).hexdigest()
        end = self.position + len(data)
        self.tensors[name] = {
            "dtype": kind,
            "shape": list(value.shape),
            "data_offsets": [self.position, end],
        }
        self.position = end
        _write(self._descriptor, data)
        return {"$tensor": name}


def _bytes(value: torch.Tensor) -> memoryview:
    array: Any = value.contiguous().reshape(-1).view(torch.uint8).numpy() if value.numel() else b""
    return memoryview(array)


def _write(descriptor: int, data: Any) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view[:_CHUNK]) :]


def _warm() -> None:
    """Have torch import what it imports when it first loads: nothing can be imported any more later."""
    for how in (True, False):
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save({"w": torch.zeros(1), "p": torch.nn.Parameter(torch.zeros(1))}, file,
                       _use_new_zipfile_serialization=zipped)  # fmt: skip
            file.seek(0)
            torch.load(file, map_location="cpu", weights_only=how)
    json.dumps({"a": 1.0})


def main(file: int, tensors: int, report: int) -> None:
    """Load a checkpoint, write its tensors and the rest, and end."""
    torch.set_num_threads(1)
    _warm()
    source = os.fdopen(file, "rb")
    confined = confine.filtered()
    writer = Writer(tensors)
    how = "weights_only"
    try:
        value = torch.load(source, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001 - boundary: whatever it cannot do, the lists may
        how = "lists"
        source.seek(0)
        value = torch.load(source, map_location="cpu", weights_only=False, pickle_module=_Module)
    tree = writer.value(value, "")
    found = {
        "how": how, "confined": confined, "value": tree, "tensors": writer.tensors,
        "digests": writer.digests, "omitted": writer.omitted,
    }  # fmt: skip
    _write(report, json.dumps(found, allow_nan=False).encode("utf-8", "surrogatepass"))
    os._exit(0)
