"""Snapshots: the state at a step boundary, copied at once and written in the background."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from veristep.ledger.objects import ObjectStore
from veristep.record import pack
from veristep.record.state_torch import Roster, Tree, capture
from veristep.record.tensors_torch import from_part, to_part


class SnapshotBuffers:
    """Host memory that snapshots are copied into, kept from one to the next.

    Copying into memory that is already mapped costs about a third of copying into fresh memory.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, torch.Tensor] = {}
        self.busy = False

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(each.numel() * each.element_size() for each in self._buffers.values())

    def copy(self, tree: Any, path: str = "") -> Any:
        """Return `tree` with every dense tensor copied."""
        if isinstance(tree, torch.Tensor):
            return self._copy_tensor(tree, path)
        if isinstance(tree, dict):
            return {key: self.copy(value, f"{path}.{key}") for key, value in tree.items()}
        if isinstance(tree, (list, tuple)):
            items = [self.copy(value, f"{path}.{index}") for index, value in enumerate(tree)]
            return items if isinstance(tree, list) else tuple(items)
        return tree

    @torch.no_grad()
    def _copy_tensor(self, tensor: torch.Tensor, path: str) -> Any:
        if tensor.layout is not torch.strided:
            return pack.Opaque(str(tensor.layout))
        buffer = self._buffers.get(path)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
            self._buffers[path] = buffer
        buffer.copy_(tensor.detach())
        return buffer


def take(roster: Roster, step: int, buffers: SnapshotBuffers) -> tuple[Tree, int]:
    """Copy the state now; return it with the nanoseconds that took."""
    began = time.perf_counter_ns()
    tree = buffers.copy(capture(roster))
    tree["step"] = step
    return tree, time.perf_counter_ns() - began


def write(objects: ObjectStore, tree: Tree) -> tuple[str, int]:
    """Write a snapshot into the object store; return its name and size in bytes."""
    size = 0
    with objects.writer() as writer:
        for buffer in pack.write(tree, to_part).buffers:
            writer.write(buffer)
            size += len(buffer)
        return writer.commit(), size


def load(objects_path: Path, name: str) -> Tree:
    """Read a snapshot and check it against its name.

    Raises:
        UnavailableError: it is not there.
        TamperedError: its bytes are not the ones that were recorded.
        MalformedError: it is not a snapshot.
    """
    tree: Tree = pack.read(ObjectStore(objects_path).read(name), from_part)
    return tree
