"""Tensors of which a rank holds a part (`DTensor`): what it holds, and where in the whole that lies.

Nothing here issues a collective: only what this rank holds is read, and what torch has noted of it. An
all-gather inside a hook would stall a training whose other ranks are not there at that moment.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)


class Shard(NamedTuple):
    """Where a shard lies in the whole tensor: the whole's sizes, and the first index held per dimension."""

    shape: tuple[int, ...]
    offset: tuple[int, ...]
    local: tuple[int, ...]

    @property
    def rows(self) -> bool:
        """Whether it is a run of the whole's bytes: cut along the first dimension only."""
        return self.local[1:] == self.shape[1:]

    def start(self, item: int) -> int:
        """Return the first byte held, of elements of `item` bytes."""
        return self.offset[0] * math.prod(self.shape[1:]) * item if self.shape else 0

    def size(self, item: int) -> int:
        """Return the bytes of the whole."""
        return math.prod(self.shape) * item


def is_sharded(value: Any) -> bool:
    """Whether a value is a tensor that other ranks hold parts of, or copies, by torch's own account."""
    return type(value) not in _PLAIN_TYPES and isinstance(value, torch.Tensor) and _inner(value) is not None


def local(tensor: torch.Tensor) -> torch.Tensor:
    """Return what this rank holds of a tensor, sharing its memory; a plain tensor is itself."""
    if type(tensor) in _PLAIN_TYPES:
        return tensor
    inner = _inner(tensor)
    if inner is None:
        return tensor
    # Of a collective the training issued, the result may not be there yet: waiting for it issues none.
    wait = getattr(inner, "trigger_wait", None)
    return wait() if wait is not None else inner


def place(tensor: torch.Tensor) -> Shard | None:
    """Return where this rank's part lies; None where it is no block of the whole (interleaved shards)."""
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor import Shard as Cut
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    if not is_sharded(tensor):
        return None
    placements: Any = getattr(tensor, "placements", None)
    if not placements or not all(type(each) in (Cut, Replicate) for each in placements):
        return None
    mesh: Any = getattr(tensor, "device_mesh", None)
    shape, offset = compute_local_shape_and_global_offset(tensor.shape, mesh, placements)
    held = local(tensor)
    if tuple(held.shape) != tuple(shape):
        return None
    return Shard(tuple(tensor.shape), tuple(offset) or (0,) * len(shape), tuple(shape))


def like(saved: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """Return a rank's part as a tensor that is sharded as `whole` is."""
    from torch.distributed.tensor import DTensor

    assert isinstance(whole, DTensor)
    return DTensor.from_local(
        saved.clone(),
        whole.device_mesh,
        whole.placements,
        run_check=False,
        shape=whole.shape,
        stride=whole.stride(),
    )


def _inner(tensor: torch.Tensor) -> torch.Tensor | None:
    inner: torch.Tensor | None = getattr(tensor, "_local_tensor", None)
    return inner
