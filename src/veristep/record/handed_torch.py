"""Which tensors a loader handed to the script, so that they are recognised when a forward gets them."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from veristep.record.steps_torch import Underway

# What is kept of an input that carries a gradient: the same list every time.
GRAD = ["grad"]
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


def describe(step: Underway, handed: Handed, leaf: torch.Tensor, copy: Callable[[Any], Any]) -> Any:
    """Return how an input of a forward is kept.

    ``["loader", slot, index, leaf]`` for a tensor a loader yielded, ``["grad"]`` for one that carries
    a gradient and must never be replaced, ``["derived"]`` for the output of a forward of this step,
    and a copy of the tensor otherwise.
    """
    if leaf.requires_grad:
        return GRAD
    if leaf.layout is not torch.strided or leaf.is_quantized:
        return copy(leaf)
    found = handed.find(leaf)
    if found is not None:
        slot, index, number = found
        step.consumed.setdefault(str(slot), index)
        return ["loader", slot, index, number]
    storage = leaf.untyped_storage().data_ptr() if step.outputs else 0
    for reference in step.outputs:
        output = reference()
        if output is not None and output.untyped_storage().data_ptr() == storage:
            return ["derived"]
    return copy(leaf)
