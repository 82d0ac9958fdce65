"""Which tensors a loader handed to the script, so that they are recognised when a forward gets them."""

from __future__ import annotations

import weakref
from collections import deque
from typing import NamedTuple

import torch

# Loaders that fetch ahead are a few batches ahead; more than this is not looked back.
REMEMBERED = 64


class _Tensor(NamedTuple):
    slot: int
    batch: int
    leaf: int
    address: int
    reference: weakref.ref[torch.Tensor]


class Handed:
    """Tensors of the last batches, by where they lie, as long as they live.

    A tensor is recognised by its memory, so views of it (a reshaped batch) are too. Memory of a tensor
    that is gone can hold another one; only living tensors count.
    """

    def __init__(self) -> None:
        self._tensors: deque[_Tensor] = deque(maxlen=REMEMBERED)

    def add(self, slot: int, index: int, tensors: list[torch.Tensor]) -> None:
        """Remember the tensors of one batch."""
        for leaf, tensor in enumerate(tensors):
            if tensor.layout is torch.strided and tensor.numel():
                address = tensor.untyped_storage().data_ptr()
                self._tensors.append(_Tensor(slot, index, leaf, address, weakref.ref(tensor)))

    def find(self, tensor: torch.Tensor) -> tuple[int, int, int] | None:
        """Return slot, batch and place of a tensor a loader handed over; None for any other."""
        if not self._tensors:
            return None
        address = tensor.untyped_storage().data_ptr()
        for known in reversed(self._tensors):
            if known.address == address and known.reference() is not None:
                return known.slot, known.batch, known.leaf
        return None
