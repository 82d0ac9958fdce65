"""From what the training thread gathered in a step to its tape chunk and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from blake3 import blake3

from veristep.core.canonical import Json, number
from veristep.core.records import StepRecord
from veristep.core.units import Cut
from veristep.record import pack
from veristep.record import randomness_torch as randomness
from veristep.record.copies_torch import Copy
from veristep.record.samples_torch import packed
from veristep.record.sketch_torch import NO_SKETCH, Sketch, take_copied
from veristep.record.steps_torch import Underway
from veristep.record.tape import TapeWriter
from veristep.record.tensors_torch import Digested, digest, to_part

# Random states hold two or three byte strings; a step may hold several states.
REMEMBERED_STRINGS = 16


@dataclass(slots=True)
class Gathered:
    """All that the training thread keeps of a step.

    Tensors are copies, but for a loss on a device: `loss_version` tells whether it has changed since.
    `grads` and `params` are digests, or copies of units, because the live tensors change.
    """

    step: Underway
    optimizer: int
    ended_ns: int
    hyper: list[dict[str, Any]]
    entry: Digested | None
    grads: Digested
    params: Digested
    grad_norm: float | None
    loss_version: int
    units: Cut
    keeps_batches: bool = True
    sketch: Sketch = NO_SKETCH


class Assembler:
    """Assembles one step after another, and remembers random states that stay the same."""

    def __init__(self, stream: str, tape: TapeWriter) -> None:
        self._stream = stream
        self._tape = tape
        self._strings = _Strings()

    def assemble(self, gathered: Gathered) -> tuple[StepRecord, bool]:
        """Write the tape chunk of a step and return its record, and whether the chunk was written."""
        step = gathered.step
        # Batches and states are read once: their digests serve the record and the tape.
        digests = _Digests(self._strings)
        if not gathered.sketch:
            gathered.sketch = take_copied(gathered.params, gathered.units)
        gathered.entry = gathered.entry.settled() if gathered.entry else None
        gathered.grads, gathered.params = gathered.grads.settled(), gathered.params.settled()
        chunk = pack.write(_chunk(gathered, digests), to_part)
        place = self._tape.append(chunk.buffers, chunk.digest(digests.of_parts(chunk)))
        record = StepRecord(
            stream=self._stream,
            step=step.number,
            optimizer=gathered.optimizer,
            began_ns=step.began_ns,
            ended_ns=gathered.ended_ns,
            boundary=step.boundary,
            entry=gathered.entry.digest if gathered.entry else None,
            batch=_batch_digest(step, digests),
            rng=randomness.digest(step.rng, self._strings.digest) if step.rng else "",
            hyper=hyper_json(gathered.hyper),
            grads=gathered.grads.digest,
            params=gathered.params.digest,
            forwards=step.forwards,
            skipped=step.skipped,
            yields=step.yields,
            consumed=step.consumed,
            loss=_loss(gathered),
            grad_norm=gathered.grad_norm,
            tape=place,
        )
        return record, place is not None


def hyper_json(groups: list[dict[str, Any]]) -> list[dict[str, Json]]:
    """Return hyperparameters as a record holds them."""
    return [{key: _json(value) for key, value in group.items()} for group in groups]


def _loss(gathered: Gathered) -> float | None:
    """Return the unscaled loss; read here, where waiting for a device holds nothing up."""
    step = gathered.step
    if step.loss is None:
        return None
    if isinstance(step.loss, torch.Tensor) and step.loss._version != gathered.loss_version:
        return None
    loss = float(step.loss)
    scale = 1.0 if step.scale is None else float(step.scale)
    return loss / scale if scale else loss


def _chunk(gathered: Gathered, digests: _Digests) -> dict[str, Any]:
    step = gathered.step
    states = _States()
    keep = gathered.keeps_batches
    samples = packed((fetch.slot, fetch.index, fetch.samples) for fetch in step.fetches)
    return {
        "step": step.number,
        **({"samples": samples} if samples else {}),
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
        "states": [digests.state(state) for state in states.kept],
    }


class _Strings:
    """Byte strings of random states as parts with their digests; most come again at the next step."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[bytes, pack.Part, bytes]] = {}

    def part(self, data: bytes) -> tuple[pack.Part, bytes]:
        """Return a byte string as a part, and the part's digest."""
        known = self._known.get(id(data))
        if known is None:
            if len(self._known) >= REMEMBERED_STRINGS:
                self._known.pop(next(iter(self._known)))
            part = pack.Part("bytes", (len(data),), memoryview(data))
            known = self._known[id(data)] = (data, part, part.digest())
        return known[1], known[2]

    def digest(self, data: bytes) -> bytes:
        """Return the digest of a byte string as a part of a pack."""
        return self.part(data)[1]


class _Digests:
    """The digests of one step's copies and states, each computed once, and the parts of a pack they are."""

    def __init__(self, strings: _Strings) -> None:
        self._strings = strings
        self._known: dict[int, bytes] = {}
        self._parts: dict[int, bytes] = {}

    def of(self, copy: Copy) -> bytes:
        known = self._known.get(id(copy))
        if known is None:
            known = copy.digest() if type(copy) is pack.Part else digest(cast("torch.Tensor", copy))
            self._known[id(copy)] = known
        return known

    def part(self, copy: Copy) -> pack.Part | None:
        """Return a copy as a part whose digest is known; None for one that is not dense."""
        part = to_part(copy)
        if part is not None:
            self._parts[id(part)] = self.of(copy)
        return part

    def state(self, value: Any) -> Any:
        """Return a random state, or a value in one, with parts in the place of byte strings."""
        if type(value) is bytes:
            part, known = self._strings.part(value)
            self._parts[id(part)] = known
            return part
        if type(value) is dict:
            return {name: self.state(each) for name, each in value.items()}
        return [self.state(each) for each in value] if type(value) is list else value

    def of_parts(self, chunk: pack.Packed) -> dict[int, bytes]:
        """Return the digests of the chunk's parts that are known here."""
        places = ((place, self._parts.get(id(part))) for place, part in enumerate(chunk.parts))
        return {place: known for place, known in places if known is not None}


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


def _kept(value: Any, digests: _Digests, *, keep: bool) -> Any:
    if type(value) is list:  # where a tensor came from, in place of a copy
        return value
    part = digests.part(value) if keep else None
    return part if part is not None else {"digest": digests.of(value).hex()}


def _batch_digest(step: Underway, digests: _Digests) -> str:
    found = [digests.of(copy) for fetch in step.fetches for copy in fetch.tensors]
    for call in step.inputs:
        found += [repr(item).encode() if type(item) is list else digests.of(item) for item in call]
    return blake3(b"".join(found)).hexdigest()


def _json(value: Any) -> Json:
    if isinstance(value, float):
        return number(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
