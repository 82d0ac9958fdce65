"""What a tensor held at a moment: its bytes, in memory that is used again from step to step.

Fresh memory costs a page fault for every 4 KiB, and blocks that outlive a step scatter the training's own
allocations: for half a megabyte a step both together cost more than the copy itself. The copies therefore
lie in mappings of their own, apart from the allocator the training uses.
"""

from __future__ import annotations

import mmap
from typing import cast

import torch

from veristep.record.memory import MEMORY
from veristep.record.pack import Part
from veristep.record.tensors_torch import dense, plain_name

# What is kept for later steps; more than this is given back to the system.
KEPT_BYTES = 128 << 20
# Smaller copies come from the allocator: a mapping takes whole pages.
MAPPED_BYTES = 16 << 10
# Below this a plain copy is quicker than torch's, whose code is in no cache; above it, torch's threads are.
THREADED_BYTES = 1 << 20

# A tensor that is no block of this process's memory (on a device, sparse, strided) stays one.
Copy = Part | torch.Tensor


class Copies:
    """Makes copies of tensors, and takes them back when they are no longer needed.

    Attributes:
        copied: bytes copied so far.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[memoryview]] = {}
        self._bytes = 0
        self.copied = 0

    def copy(self, tensor: torch.Tensor) -> Copy:
        """Return what a tensor holds now."""
        name = plain_name(tensor)
        if not name:
            self.copied += size_of(tensor)
            return tensor.detach().clone()
        size = tensor.nbytes
        self.copied += size
        address = tensor.data_ptr()
        if size < MAPPED_BYTES:
            data = bytes(MEMORY[address : address + size]) if size else b""
            return Part(name, tensor.shape, memoryview(data))
        view = self._memory(size)
        if size < THREADED_BYTES:
            view[:] = MEMORY[address : address + size]
        else:
            flat = tensor.detach().view(-1).view(torch.uint8)
            torch.frombuffer(view, dtype=torch.uint8).copy_(flat)
        return Part(name, tensor.shape, view)

    def take_back(self, copy: Copy) -> None:
        """Keep a copy's memory for later; nobody may look at the copy any more."""
        if type(copy) is not Part:
            return
        size = len(copy.data)
        if size >= MAPPED_BYTES and self._bytes + size <= KEPT_BYTES:
            self._bytes += size
            self._free.setdefault(size, []).append(copy.data)

    def _memory(self, size: int) -> memoryview:
        free = self._free.get(size)
        if free:
            try:
                view = free.pop()
            except IndexError:  # the worker thread and this one share the lists without a lock
                pass
            else:
                self._bytes -= size
                return view
        return memoryview(mmap.mmap(-1, size))


def size_of(copy: Copy) -> int:
    """Return the bytes of a copy, or of a tensor: of a sparse one, those of its indices and values."""
    return (
        copy.nbytes
        if type(copy) is Part
        else sum([each.nbytes for each in dense(cast("torch.Tensor", copy))])
    )
