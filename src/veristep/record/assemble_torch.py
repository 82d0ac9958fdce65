"""From what the training thread gathered in a step to its tape chunk and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from blake3 import blake3

from veristep.core.canonical import Json, number
from veristep.core.records import StepRecord
from veristep.record import pack
from veristep.record import randomness_torch as randomness
from veristep.record.steps_torch import Fetch, Underway
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


def assemble(gathered: Gathered, stream: str, tape: TapeWriter) -> tuple[StepRecord, bool]:
    """Write the tape chunk of a step and return its record, and whether the chunk was written."""
    step = gathered.step
    batch = _batch_digest(step)
    chunk = pack.write(_chunk(gathered), to_part)
    place = tape.append(chunk)
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
        hyper=[{key: _json(value) for key, value in group.items()} for group in gathered.hyper],
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


def _chunk(gathered: Gathered) -> dict[str, Any]:
    step = gathered.step
    states = _States()
    keep = gathered.keeps_batches
    return {
        "step": step.number,
        "entry": gathered.entry.prefixes if gathered.entry else b"",
        "grads": gathered.grads.prefixes,
        "params": gathered.params.prefixes,
        "hyper": gathered.hyper,
        "fetches": [
            {
                "slot": fetch.slot,
                "index": fetch.index,
                "rng": states.number(fetch.rng),
                "tensors": [_kept(tensor, keep=keep) for tensor in fetch.tensors],
            }
            for fetch in step.fetches
        ],
        "inputs": [[_kept(item, keep=keep) for item in call] for call in step.inputs],
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


def _kept(value: Any, *, keep: bool) -> Any:
    if isinstance(value, torch.Tensor) and (not keep or value.layout is not torch.strided):
        return {"digest": digest(value).hex()}
    return value


def _batch_digest(step: Underway) -> str:
    hasher = blake3()
    for fetch in step.fetches:
        hasher.update(_fetch_digest(fetch))
    for call in step.inputs:
        for item in call:
            hasher.update(digest(item) if isinstance(item, torch.Tensor) else repr(item).encode())
    return hasher.hexdigest()


def _fetch_digest(fetch: Fetch) -> bytes:
    return b"".join(digest(tensor) for tensor in fetch.tensors if isinstance(tensor, torch.Tensor))


def _json(value: Any) -> Json:
    if isinstance(value, float):
        return number(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    return f"<{type(value).__module__}.{type(value).__qualname__}>"
