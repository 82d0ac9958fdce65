"""Snapshots: the state at a step boundary, copied at once and written in the background."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from veristep.ledger.objects import ObjectStore, name_of
from veristep.ledger.snapshots import PIECE_BYTES, SMALL_BYTES, Manifest, SnapshotStore, StoredTensor
from veristep.record import disk, pack
from veristep.record.sources_torch import capture_schedulers
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
    tree = buffers.copy({**capture(roster), "schedulers": capture_schedulers(roster)})
    tree["step"] = step
    return tree, time.perf_counter_ns() - began


class Written(NamedTuple):
    """What became of a snapshot: its manifest's name, the bytes of its state, and those newly stored."""

    name: str
    size: int
    stored: int


def write(objects: ObjectStore, store: SnapshotStore, stream: str, tree: Tree) -> Written:
    """Store a snapshot; what an earlier one of the run, or another rank, stored is not stored again.

    Raises:
        StorageError: the disk refuses it, or there is no room for it.
    """
    body, parts = pack.split(tree, to_part)
    size = sum(part.data.nbytes for part in parts)
    disk.require(objects.root, size)
    bundles = _Bundles(store.parts)
    stored = 0
    with store.writing():
        tensors = []
        for part in parts:
            if part.data.nbytes < SMALL_BYTES:
                tensors.append(bundles.add(part))
                continue
            names = []
            for start in range(0, part.data.nbytes, PIECE_BYTES):
                name, new = store.parts.add(part.data[start : start + PIECE_BYTES])
                names.append(name)
                stored += new
            tensors.append(StoredTensor(part.dtype, part.shape, part.data.nbytes, tuple(names)))
        bundles.close()
        manifest = Manifest(int(tree["step"]), body, tuple(tensors), tuple(bundles.names))
        name = objects.put(manifest.to_bytes())
        store.keep(stream, manifest.step, name)
    return Written(name, size, stored + bundles.stored)


class _Bundles:
    """Puts small tensors together, in order, into objects of some size."""

    def __init__(self, parts: ObjectStore) -> None:
        self.names: list[str] = []
        self.stored = 0
        self._parts = parts
        self._open = bytearray()

    def add(self, part: pack.Part) -> StoredTensor:
        if len(self._open) + part.data.nbytes > PIECE_BYTES:
            self.close()
        place = (len(self.names), len(self._open))
        self._open += part.data
        return StoredTensor(part.dtype, part.shape, part.data.nbytes, (name_of(part.data),), place)

    def close(self) -> None:
        # An empty bundle is one too: tensors without elements lie in it.
        name, new = self._parts.add(bytes(self._open))
        self.names.append(name)
        self.stored += new
        self._open.clear()


def load(objects_path: Path, parts: Path, name: str) -> Tree:
    """Read a snapshot and check it against its name.

    Args:
        objects_path: the ledger's object store, which holds the manifest.
        parts: the folder of the run's snapshots.
        name: of the manifest.

    Raises:
        UnavailableError: it, or a part of it, is not there.
        TamperedError: its bytes are not the ones that were recorded.
        MalformedError: it is not a snapshot.
    """
    manifest = Manifest.from_bytes(ObjectStore(objects_path).read(name))
    held = zip(manifest.tensors, SnapshotStore(parts).read(manifest), strict=True)
    found = [pack.Part(tensor.dtype, tensor.shape, memoryview(data)) for tensor, data in held]
    tree: Tree = pack.join(manifest.tree, found, from_part)
    return tree
