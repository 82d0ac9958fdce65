"""Tensors as bytes, and their digests.

`blake3:tensor-v1` is BLAKE3 over ``dtype NUL shape NUL`` (the torch dtype's name, the sizes in decimal
joined by commas, ASCII) followed by the elements in row-major order, little endian. It depends neither
on strides nor on the device. A unit of a larger tensor adds ``start NUL`` (decimal byte offset) before
its bytes, so that equal blocks at different places differ.

`blake3:units-v1` is BLAKE3 over the 16-byte prefixes of the digests of the chosen units, in the order
chosen.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from blake3 import blake3

from veristep.core.records import UnitsDigest
from veristep.core.units import Cut, Unit, cut, order
from veristep.errors import MalformedError
from veristep.record.pack import Part

PREFIX_BYTES = 16
_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)
_NO_TENSOR = b"none\x00"
_DTYPES = {
    str(value).removeprefix("torch."): value
    for value in vars(torch).values()
    if isinstance(value, torch.dtype)
}
# Aliases (float, half, long) map to the same dtype; this is the name each one prints as.
_NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in _DTYPES.values()}


def raw(tensor: torch.Tensor) -> tuple[torch.Tensor, memoryview]:
    """Return the bytes of a dense tensor, and the tensor that must outlive the view.

    The view shares memory with a contiguous CPU tensor; otherwise it is over a copy.
    """
    if not tensor.is_cpu or tensor.is_neg() or tensor.is_conj():
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if not tensor.is_contiguous():
        tensor = tensor.detach().contiguous()
    size = tensor.nbytes
    if not size:
        return tensor, memoryview(b"")
    array = (ctypes.c_ubyte * size).from_address(tensor.data_ptr())
    return tensor, memoryview(array).cast("B")


def dense(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return the dense tensors a tensor is made of: itself, or the indices and values of a sparse one.

    A sparse tensor is taken as it stands, not coalesced: that would sum duplicates in an order of its
    own. Quantised and nested tensors are read through their plain storage.
    """
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    if tensor.is_quantized:
        return [tensor.int_repr()]
    to_local = getattr(tensor, "to_local", None)
    return [to_local()] if to_local is not None else [tensor]


def head(tensor: torch.Tensor) -> bytes:
    """Return the bytes that name dtype and shape before the elements."""
    return _head(tensor.dtype, tensor.shape)


@functools.lru_cache(maxsize=4096)
def _head(dtype: torch.dtype, shape: tuple[int, ...]) -> bytes:
    return f"{_NAMES[dtype]}\0{','.join(map(str, shape))}\0".encode("ascii")


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a contiguous block of bytes of this process's memory."""
    return (
        type(tensor) in _PLAIN_TYPES
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not (tensor.is_neg() or tensor.is_conj() or tensor.is_quantized)
    )


def digest(tensor: torch.Tensor) -> bytes:
    """Return the 32-byte `blake3:tensor-v1` digest of a tensor."""
    if _is_plain(tensor):
        # The common case, kept short: it runs for every small tensor at every step.
        hasher = blake3(head(tensor))
        size = tensor.nbytes
        if size:
            array = (ctypes.c_ubyte * size).from_address(tensor.data_ptr())
            hasher.update(memoryview(array).cast("B"))
        return hasher.digest()
    hasher = blake3()
    for piece in dense(tensor):
        hasher.update(head(piece))
        _keep, view = raw(piece)
        hasher.update(view)
    return hasher.digest()


def to_part(value: Any) -> Part | None:
    """Return a dense tensor as a part of a pack that shares its memory; None for anything else."""
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    kept, view = raw(value)
    part = Part(_NAMES[kept.dtype], tuple(kept.shape), view)
    # The view borrows the tensor's memory; the part must keep a copied tensor alive.
    return part if kept.data_ptr() == value.data_ptr() else part._replace(data=memoryview(bytes(view)))


def from_part(part: Part) -> torch.Tensor:
    """Return a part of a pack as a tensor with memory of its own.

    Raises:
        MalformedError: the dtype is unknown or the bytes do not fill the shape.
    """
    dtype = _DTYPES.get(part.dtype)
    if dtype is None:
        raise MalformedError(f"pack part has unknown dtype {part.dtype!r}")
    tensor = torch.empty(part.shape, dtype=dtype)
    if tensor.numel() * tensor.element_size() != part.data.nbytes:
        raise MalformedError(f"pack part of shape {part.shape} has {part.data.nbytes} bytes")
    if part.data.nbytes:
        _kept, view = raw(tensor)
        view[:] = part.data
    return tensor


class Digested(NamedTuple):
    """A units digest with the prefixes it was made from, `PREFIX_BYTES` each, in the order chosen."""

    digest: UnitsDigest
    prefixes: bytes


class _Pieces(NamedTuple):
    """A set of tensors laid out for digesting, and what must stay alive meanwhile."""

    views: list[memoryview]
    heads: list[bytes]
    kept: list[torch.Tensor]


def layout(tensors: Sequence[torch.Tensor | None]) -> Cut:
    """Return how a set of tensors is cut into units; a missing tensor is one empty unit."""
    strided = torch.strided
    sizes = [tensor.nbytes if tensor is not None and tensor.layout is strided else 0 for tensor in tensors]
    return cut(tuple(sizes))


def digest_units(
    tensors: Sequence[torch.Tensor | None],
    *,
    deadline: float | None = None,
    seed: int | None = None,
    limit: int | None = None,
) -> Digested:
    """Digest a set of tensors, wholly or as far as a deadline or a limit lets.

    Args:
        tensors: in a fixed order; None stands for a gradient that is not there.
        deadline: `time.perf_counter` value to stop at; at least one unit is digested.
        seed: the order to take; drawn from the system when sampling starts without one.
        limit: digest this many units in the order of `seed`: what a replay of a record asks for.
    """
    units = layout(tensors)
    total = len(units)
    if deadline is None and limit is None:
        prefixes = [_unit(tensors, units[number]) for number in range(total)]
        return _finish(prefixes, total, None)
    if seed is None:
        seed = int.from_bytes(os.urandom(8), "little")
    prefixes = []
    for number in order(total, seed):
        prefixes.append(_unit(tensors, units[number]))
        if limit is not None and len(prefixes) >= limit:
            break
        if deadline is not None and time.perf_counter() >= deadline:
            break
    return _finish(prefixes, total, seed)


def chosen_units(digest: UnitsDigest) -> list[int]:
    """Return the numbers of the units a digest was made from, in its order."""
    if digest.seed is None:
        return list(range(digest.units))
    chosen = order(digest.total, digest.seed)
    return [number for number, _ in zip(chosen, range(digest.units), strict=False)]


def _unit(tensors: Sequence[torch.Tensor | None], unit: Unit) -> bytes:
    tensor = tensors[unit.tensor]
    if tensor is None:
        return blake3(_NO_TENSOR).digest()[:PREFIX_BYTES]
    if unit.whole:
        return digest(tensor)[:PREFIX_BYTES]
    hasher = blake3(head(tensor))
    hasher.update(b"%d\0" % unit.start)
    _keep, view = raw(_slice(tensor, unit))
    hasher.update(view)
    return hasher.digest()[:PREFIX_BYTES]


def _slice(tensor: torch.Tensor, unit: Unit) -> torch.Tensor:
    # Slicing before copying: a block of a device or non-contiguous tensor costs only its own bytes.
    item = tensor.element_size()
    return tensor.detach().reshape(-1)[unit.start // item : unit.stop // item]


def _finish(prefixes: list[bytes], total: int, seed: int | None) -> Digested:
    joined = b"".join(prefixes)
    return Digested(UnitsDigest(blake3(joined).hexdigest(), len(prefixes), total, seed), joined)
