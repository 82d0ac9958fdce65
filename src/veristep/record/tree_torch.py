"""The tensors inside whatever a loader yields or a module is called with."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import torch

# Batches are nested a few levels deep; the limit keeps a self-referring object from stopping training.
MAX_DEPTH = 12
# Looked through at every step, so what certainly holds no tensor is passed over at once.
_PLAIN = frozenset({int, float, bool, str, bytes, type(None)})


def leaves(value: Any, depth: int = 0) -> list[torch.Tensor]:
    """Return the tensors in `value`, in a fixed order; NumPy arrays count as the tensors they wrap."""
    kind = type(value)
    if kind is torch.Tensor or isinstance(value, torch.Tensor):
        return [value]
    if kind in _PLAIN or depth >= MAX_DEPTH:
        return []
    if kind is tuple or kind is list:
        items = value
    elif kind is dict:
        items = value.values()
    else:
        array = _as_tensor(value)
        if array is not None:
            return [array]
        items = _children(value)
    found: list[torch.Tensor] = []
    for item in items:
        if type(item) is torch.Tensor:  # spares the call: most items are tensors
            found.append(item)
        elif type(item) not in _PLAIN:
            found += leaves(item, depth + 1)
    return found


def rebuild(value: Any, replacements: Iterator[torch.Tensor | None], depth: int = 0) -> Any:
    """Return `value` with its tensors replaced, in the order of `leaves`.

    None keeps a tensor. Lists, tuples, named tuples and mappings are rebuilt; other objects are
    changed in place, which is what their owner would see.
    """
    if isinstance(value, torch.Tensor):
        replacement = next(replacements, None)
        return value if replacement is None else replacement.to(value.device)
    if _as_tensor(value) is not None:
        replacement = next(replacements, None)
        return value if replacement is None else replacement.numpy()
    if depth >= MAX_DEPTH:
        return value
    if isinstance(value, tuple):
        items = [rebuild(item, replacements, depth + 1) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, list):
        return [rebuild(item, replacements, depth + 1) for item in value]
    if isinstance(value, MutableMapping):
        for key in list(value):
            value[key] = rebuild(value[key], replacements, depth + 1)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            new = rebuild(getattr(value, field.name), replacements, depth + 1)
            object.__setattr__(value, field.name, new)
    elif _has_tensors(value):
        for name, item in vars(value).items():
            value.__dict__[name] = rebuild(item, replacements, depth + 1)
    return value


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Mapping):
        return list(value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, field.name) for field in dataclasses.fields(value)]
    return list(vars(value).values()) if _has_tensors(value) else ()


def _has_tensors(value: Any) -> bool:
    """Whether this is a plain holder object, such as a graph batch, with tensors as attributes."""
    attributes = getattr(value, "__dict__", None)
    if not isinstance(attributes, dict) or isinstance(value, (type, torch.nn.Module)):
        return False
    return any(isinstance(item, torch.Tensor) for item in attributes.values())


def _as_tensor(value: Any) -> torch.Tensor | None:
    numpy = sys.modules.get("numpy")
    if numpy is None or type(value) is not getattr(numpy, "ndarray", None):
        return None
    if value.dtype.kind not in "biufc" or not value.flags.writeable:
        return None
    try:
        return torch.from_numpy(value)
    except (TypeError, ValueError):
        return None
