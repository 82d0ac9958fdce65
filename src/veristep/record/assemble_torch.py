"""From what the training thread gathered in a step to its tape chunk and its record."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from blake3 import blake3

from veristep.core.canonical import Json, number
from veristep.core.records import StepRecord
from veristep.record import pack
from veristep.record import randomness_torch as randomness
from veristep.record.sketch_torch import NO_SKETCH, Sketch
from veristep.record.steps_torch import Underway
from veristep.record.tape import TapeWriter
from veristep.record.tensors_torch import Digested, digest, to_part


@dataclass(slots=True)
class Gathered:
    """All that the training thread keeps of a step.

    Tensors are copies. `grads` and `params` are digests because the live tensors change.
    """

    step: Underway
    optimizer: int
    ended_ns: int
    hyper: list[dict[str, Any]]
    entry: Digested | None
    grads: Digested
    params: Digested
    grad_norm: float | None
    loss: float | None
    keeps_batches: bool = True
    sketch: Sketch = NO_SKETCH


def assemble(gathered: Gathered, stream: str, tape: TapeWriter) -> tuple[StepRecord, bool]:
    """Write the tape chunk of a step and return its record, and whether the chunk was written."""
    step = gathered.step
    digests = _Digests()
    chunk = pack.write(_chunk(gathered, digests), to_part)
    # The batches are read once: their digests serve the record and the tape.
    place = tape.append(chunk.buffers, chunk.digest(digests.of_parts(chunk)))
    batch = _batch_digest(step, digests)
    record = StepRecord(
        stream=stream,
        step=step.number,
        optimizer=gathered.optimizer,
        began_ns=step.began_ns,
        ended_ns=gathered.ended_ns,
        boundary=step.boundary,
        entry=gathered.entry.digest if gathered.entry else None,
        batch=batch,
        rng=randomness.digest(step.rng) if step.rng else "",
        hyper=hyper_json(gathered.hyper),
        grads=gathered.grads.digest,
        params=gathered.params.digest,
        forwards=step.forwards,
        skipped=step.skipped,
        yields=step.yields,
        consumed=step.consumed,
        loss=gathered.loss,
        grad_norm=gathered.grad_norm,
        tape=place,
    )
    return record, place is not None


def hyper_json(groups: list[dict[str, Any]]) -> list[dict[str, Json]]:
    """Return hyperparameters as a record holds them."""
    return [{key: _json(value) for key, value in group.items()} for group in groups]


def _chunk(gathered: Gathered, digests: _Digests) -> dict[str, Any]:
    step = gathered.step
    states = _States()
    keep = gathered.keeps_batches
    return {
        "step": step.number,
        "entry": gathered.entry.prefixes if gathered.entry else b"",
        "grads": gathered.grads.prefixes,
        "params": gathered.params.prefixes,
        "sketch": gathered.sketch._asdict(),
        "fetches": [
            {
                "slot": fetch.slot,
                "index": fetch.index,
                "rng": states.number(fetch.rng),
                "tensors": [_kept(tensor, digests, keep=keep) for tensor in fetch.tensors],
            }
            for fetch in step.fetches
        ],
        "evaluated": sorted(step.evaluated),
        "inputs": [[_kept(item, digests, keep=keep) for item in call] for call in step.inputs],
        "rng_after_last": states.number(step.rng_after_last),
        "rng": states.number(step.rng),
        "states": states.kept,
    }


class _States:
    """Random states of one step, each kept once: most often nothing was drawn in between."""

    def __init__(self) -> None:
        self.kept: list[randomness.State] = []

    def number(self, state: randomness.State | None) -> int:
        if state is None:
            return -1
        for index, known in enumerate(self.kept):
            if known == state:
                return index
        self.kept.append(state)
        return len(self.kept) - 1


class _Digests:
    """The digests of one step's tensors, each computed once."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._by_address: dict[tuple[int, int], bytes] = {}

    def of(self, tensor: torch.Tensor) -> bytes:
        known = self._known.get(id(tensor))
        if known is None:
            known = self._known[id(tensor)] = digest(tensor)
            if tensor.layout is torch.strided and tensor.numel():
                self._by_address[(tensor.data_ptr(), tensor.nbytes)] = known
        return known

    def of_parts(self, chunk: pack.Packed) -> dict[int, bytes]:
        """Return the digests of the parts that share memory with a tensor digested here."""
        found = {}
        for place, part in enumerate(chunk.parts):
            if part.dtype != "bytes" and part.data.nbytes:
                address = ctypes.addressof(ctypes.c_ubyte.from_buffer(part.data))
                known = self._by_address.get((address, part.data.nbytes))
                if known is not None:
                    found[place] = known
        return found


def _kept(value: Any, digests: _Digests, *, keep: bool) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    known = digests.of(value)
    return value if keep and value.layout is torch.strided else {"digest": known.hex()}


def _batch_digest(step: Underway, digests: _Digests) -> str:
    hasher = blake3()
    for fetch in step.fetches:
        for tensor in fetch.tensors:
            hasher.update(digests.of(tensor))
    for call in step.inputs:
        for item in call:
            hasher.update(digests.of(item) if isinstance(item, torch.Tensor) else repr(item).encode())
    return hasher.hexdigest()


def _json(value: Any) -> Json:
    if isinstance(value, float):
        return number(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
