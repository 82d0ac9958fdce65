"""Tensors as bytes, and their digests.

`blake3:tensor-v1` is BLAKE3 over ``dtype NUL shape NUL`` (the torch dtype's name, the sizes in decimal
joined by commas, ASCII) followed by the elements in row-major order, little endian. It depends neither
on strides nor on the device. A unit of a larger tensor adds ``start NUL`` (decimal byte offset) before
its bytes, so that equal blocks at different places differ.

`blake3:units-v1` is BLAKE3 over the 16-byte prefixes of the digests of the chosen units, in the order
chosen.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from blake3 import blake3

from veristep.core.records import UnitsDigest
from veristep.core.units import PREFIX_BYTES, UNIT_BYTES, Cut, Span, Unit, chosen, cut, order, span_cut
from veristep.errors import MalformedError
from veristep.record import shards_torch as shards
from veristep.record.memory import MEMORY
from veristep.record.pack import Part

_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)
_STRIDED = torch.strided
_NO_TENSOR = blake3(b"none\x00").digest(PREFIX_BYTES)
PartOf = Callable[[torch.Tensor], torch.Tensor | None]
_DTYPES = {
    str(value).removeprefix("torch."): value
    for value in vars(torch).values()
    if isinstance(value, torch.dtype)
}
# Aliases (float, half, long) map to the same dtype; this is the name each one prints as.
_NAMES = {dtype: str(dtype).removeprefix("torch.") for dtype in _DTYPES.values()}
# A complex tensor may be a conjugate that is not carried out yet, a quantised one is more than its bytes.
_PLAIN_NAMES = {
    dtype: name
    for dtype, name in _NAMES.items()
    if not dtype.is_complex and not name.startswith(("q", "bits"))
}


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
    address = tensor.data_ptr()
    return tensor, MEMORY[address : address + size]


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
    # Only what this rank holds: asking for more would issue a collective.
    return [shards.local(tensor)]


def head(tensor: torch.Tensor) -> bytes:
    """Return the bytes that name dtype and shape before the elements."""
    return _head(tensor.dtype, tensor.shape)


@functools.lru_cache(maxsize=4096)
def _head(dtype: torch.dtype, shape: tuple[int, ...]) -> bytes:
    return f"{_NAMES[dtype]}\0{','.join(map(str, shape))}\0".encode("ascii")


_NEGATED = frozenset({"float16", "float32", "float64"})


def plain_name(tensor: torch.Tensor) -> str:
    """Return the dtype's name of a tensor that is one block of this process's memory; else nothing."""
    if (
        type(tensor) in _PLAIN_TYPES
        and tensor.is_cpu
        and tensor.layout is _STRIDED
        and tensor.is_contiguous()
    ):
        name = _PLAIN_NAMES.get(tensor.dtype, "")
        # A part of a complex conjugate may be a float still to be negated; nothing else can.
        return "" if name in _NEGATED and tensor.is_neg() else name
    return ""


def digest(tensor: torch.Tensor) -> bytes:
    """Return the 32-byte `blake3:tensor-v1` digest of a tensor."""
    if plain_name(tensor):
        # The common case, kept short: it runs for every small tensor at every step.
        hasher = blake3(head(tensor))
        size = tensor.nbytes
        if size:
            address = tensor.data_ptr()
            hasher.update(MEMORY[address : address + size])
        return hasher.digest()
    hasher = blake3()
    for piece in dense(tensor):
        hasher.update(head(piece))
        _keep, view = raw(piece)
        hasher.update(view)
    return hasher.digest()


def to_part(value: Any) -> Part | None:
    """Return a dense tensor as a part of a pack that shares its memory; None for anything else."""
    if type(value) is Part:
        return value
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        return None
    value = shards.local(value)
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


class CopiedUnit(NamedTuple):
    """A unit still to be digested: `start` is -1 for a whole tensor."""

    dtype: torch.dtype
    shape: torch.Size
    start: int
    data: bytes


_Prefix = bytes | CopiedUnit


class Digested(NamedTuple):
    """The digests of some units of a set of tensors, not yet put together to one.

    Attributes:
        parts: `PREFIX_BYTES` of each unit's digest, in the order chosen, or what they are computed from.
        total: how many units there are.
        seed: the order; None when all were digested in natural order.
    """

    parts: Sequence[_Prefix]
    total: int
    seed: int | None

    def settled(self) -> Digested:
        """Return the same with every part computed."""
        return self._replace(parts=self._computed())

    def _computed(self) -> list[bytes]:
        return [each if isinstance(each, bytes) else _prefix(each) for each in self.parts]

    @property
    def complete(self) -> bool:
        """Whether every unit was digested."""
        return len(self.parts) == self.total

    @property
    def prefixes(self) -> bytes:
        """All parts, one after another."""
        return b"".join(self._computed())

    @property
    def digest(self) -> UnitsDigest:
        """The units digest; its root is empty when no unit was digested of units there are."""
        root = blake3(self.prefixes).hexdigest() if self.parts or not self.total else ""
        return UnitsDigest(root, len(self.parts), self.total, self.seed)


def layout(parameters: Sequence[torch.Tensor]) -> Cut:
    """Return how a set of parameters, or their gradients, is cut into units."""
    strided = torch.strided
    if any(type(each) not in _PLAIN_TYPES and shards.is_sharded(each) for each in parameters):
        return span_cut(tuple(map(_span, parameters)))
    return cut(tuple([each.nbytes if each.layout is strided else 0 for each in parameters]))


def _span(tensor: torch.Tensor) -> Span:
    """Return which bytes of a tensor this rank holds; a part that is no run of them stands alone."""
    held, place = shards.local(tensor), shards.place(tensor)
    size = held.nbytes if held.layout is torch.strided else 0
    if place is None or not place.rows:
        return Span(0, size, size)
    return Span(place.start(held.element_size()), size, place.size(held.element_size()))


def parameter(each: torch.Tensor) -> torch.Tensor:
    """Digest the parameter itself."""
    return each


def gradient(each: torch.Tensor) -> torch.Tensor | None:
    """Digest a parameter's gradient."""
    return each.grad


def digest_units(
    parameters: Sequence[torch.Tensor],
    part: PartOf = parameter,
    units: Cut | None = None,
    *,
    deadline: float | None = None,
    seed: int | None = None,
    limit: int | None = None,
) -> Digested:
    """Digest a set of parameters or their gradients, wholly or as far as a deadline or a limit lets.

    Gradients are cut as their parameters are, so that a sampled digest touches only the tensors it
    reads. A gradient of another size (a sparse one) is digested whole in each unit, a missing one is the
    same few bytes.

    Args:
        parameters: in a fixed order.
        units: how they are cut, when that is known already.
        part: what of each parameter is digested: `parameter` or `gradient`.
        deadline: `time.perf_counter` value to stop at; at least one unit is digested.
        seed: the order to take; drawn from the system when sampling starts without one.
        limit: digest this many units in the order of `seed`: what a replay of a record asks for.
    """
    if units is None:
        units = layout(parameters)
    total = len(units)
    if deadline is None and limit is None:
        every = map(units.__getitem__, range(total))
        return Digested([_unit(part(parameters[each.tensor]), each) for each in every], total, None)
    if seed is None:
        seed = int.from_bytes(os.urandom(8), "little")
    parts: list[_Prefix] = []
    for number in order(total, seed):
        unit = units[number]
        parts.append(_unit(part(parameters[unit.tensor]), unit))
        if len(parts) == limit or (deadline is not None and time.perf_counter() >= deadline):
            break
    return Digested(parts, total, seed)


def copy_units(
    parameters: Sequence[torch.Tensor], part: PartOf, units: Cut, seed: int, deadline: float
) -> Digested:
    """Copy units in the order of `seed` until a deadline, to be digested later; at least one.

    The same as `digest_units`, for the training thread: copying takes a fifth of digesting. It runs at
    every step, when none of its code is in a cache; hence few calls, and no generator for the first unit.

    Args:
        parameters: in a fixed order.
        part: what of each parameter is copied: `parameter` or `gradient`.
        units: how they are cut.
        seed: the order to take.
        deadline: `time.perf_counter` value to stop at.
    """
    total = len(units)
    if not total:
        return Digested([], 0, seed)
    began = time.perf_counter()
    parts: list[_Prefix] = [_unit_pieces(parameters, part, units, seed % total)]
    now = time.perf_counter()
    if now + (now - began) >= deadline:
        return Digested(parts, total, seed)
    rest = order(total, seed)
    next(rest)
    while now + (now - began) / len(parts) < deadline:  # one more ends in time
        number = next(rest, -1)
        if number < 0:
            break
        parts.append(_unit_pieces(parameters, part, units, number))
        now = time.perf_counter()
    return Digested(parts, total, seed)


def chosen_units(digest: UnitsDigest) -> list[int]:
    """Return the numbers of the units a digest was made from, in its order."""
    return chosen(digest.units, digest.total, digest.seed)


def _unit(tensor: torch.Tensor | None, unit: Unit) -> bytes:
    """Return the prefix of a unit's digest, read from the live tensor."""
    if tensor is None:
        return _NO_TENSOR
    if not unit.whole and shards.is_sharded(tensor):
        return _shard_unit(tensor, unit)
    if unit.whole or tensor.layout is not torch.strided or tensor.nbytes != unit.size:
        return digest(tensor)[:PREFIX_BYTES]
    hasher = blake3(head(tensor))
    hasher.update(b"%d\0" % unit.start)
    _keep, view = raw(_slice(tensor, unit))
    hasher.update(view)
    return hasher.digest(PREFIX_BYTES)


def _shard_unit(tensor: torch.Tensor, unit: Unit) -> bytes:
    """Return the prefix of a unit of a part: what it is in the whole, where that is a run of bytes."""
    held, place = shards.local(tensor), shards.place(tensor)
    runs = place is not None and place.rows
    first = place.start(held.element_size()) if place is not None and runs else 0
    hasher = blake3(head(tensor if runs else held))
    hasher.update(b"%d\0" % (first + unit.start))
    _keep, view = raw(_slice(held, unit))
    hasher.update(view)
    return hasher.digest(PREFIX_BYTES)


def _unit_pieces(parameters: Sequence[torch.Tensor], part: PartOf, units: Cut, number: int) -> _Prefix:
    """Return what a unit's prefix is computed from, with the bytes copied."""
    index, start = units.place(number)
    tensor = part(parameters[index])
    if tensor is None or not plain_name(tensor):
        return _unit(tensor, units[number])
    size = tensor.nbytes
    if size != units.size(index):
        return _unit(tensor, units[number])
    address = tensor.data_ptr() + start
    data = bytes(MEMORY[address : address + min(UNIT_BYTES, size - start)])
    return CopiedUnit(tensor.dtype, tensor.shape, -1 if size <= UNIT_BYTES else start, data)


def _prefix(copied: CopiedUnit) -> bytes:
    hasher = blake3(_head(copied.dtype, copied.shape))
    if copied.start >= 0:
        hasher.update(b"%d\0" % copied.start)
    hasher.update(copied.data)
    return hasher.digest(PREFIX_BYTES)


def _slice(tensor: torch.Tensor, unit: Unit) -> torch.Tensor:
    # Slicing before copying: a block of a device or non-contiguous tensor costs only its own bytes.
    item = tensor.element_size()
    return tensor.detach().reshape(-1)[unit.start // item : unit.stop // item]
