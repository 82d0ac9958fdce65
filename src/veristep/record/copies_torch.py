"""Memory that batches are copied into, used again from step to step.

Fresh memory costs a page fault for every 4 KiB, and blocks that outlive a step scatter the training's own
allocations: for half a megabyte a step both together cost more than the copy itself. The copies therefore
lie in mappings of their own, apart from the allocator the training uses.
"""

from __future__ import annotations

import mmap
from typing import Any

import torch

# What is kept for later steps; more than this is given back to the allocator.
KEPT_BYTES = 128 << 20
# Smaller copies come from the allocator: a mapping takes whole pages.
MAPPED_BYTES = 16 << 10

_Key = tuple[torch.dtype, torch.Size]


class Copies:
    """Makes copies of tensors, and takes them back when they are no longer needed."""

    def __init__(self) -> None:
        self._free: dict[_Key, list[torch.Tensor]] = {}
        self._bytes = 0

    def copy(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of a tensor in this process's memory."""
        if tensor.layout is torch.strided and tensor.is_cpu and tensor.nbytes < MAPPED_BYTES:
            return tensor.detach().clone() if tensor.requires_grad else tensor.clone()
        if tensor.layout is not torch.strided or type(tensor) is not torch.Tensor or tensor.is_quantized:
            return tensor.detach().clone()
        free = self._free.get((tensor.dtype, tensor.shape))
        try:
            target = free.pop() if free else None
        except IndexError:  # the worker thread and this one share the lists without a lock
            target = None
        if target is None:
            target = _mapped(tensor)
        else:
            self._bytes -= target.nbytes
        # Entering `no_grad` would cost more than looking whether there is anything to leave out.
        return target.copy_(tensor.detach() if tensor.requires_grad else tensor)

    def take_back(self, value: Any) -> None:
        """Keep a copy's memory for later; anything but a copy is ignored."""
        if not isinstance(value, torch.Tensor) or value.layout is not torch.strided or value.is_quantized:
            return
        if value.nbytes >= MAPPED_BYTES and self._bytes + value.nbytes <= KEPT_BYTES:
            self._bytes += value.nbytes
            self._free.setdefault((value.dtype, value.shape), []).append(value)


def _mapped(like: torch.Tensor) -> torch.Tensor:
    """Return an empty tensor of the same dtype and shape, in a mapping of its own."""
    memory = mmap.mmap(-1, max(like.nbytes, 1))
    return torch.frombuffer(memory, dtype=like.dtype).view(like.shape)
