"""What an update left, looked at again when the next one begins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from veristep.guard.step.blocks_torch import Block, read, read_state, values
from veristep.guard.step.shadow_torch import Sample, Update
from veristep.record import shards_torch as shards

_SHOWN = 3


class Loads:
    """Counts the loads of states: what changes with one was not changed behind anybody's back."""

    def __init__(self) -> None:
        self.count = 0
        for kind in (nn.Module, Optimizer):
            self._follow(kind)

    def _follow(self, kind: Any) -> None:
        original: Callable[..., Any] = kind.load_state_dict

        @functools.wraps(original)
        def load_state_dict(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return original(*args, **kwargs)

        kind.load_state_dict = load_state_dict


@dataclass(slots=True)
class Changed:
    """A block that is not what the last update left.

    Attributes:
        sample: it.
        what: ``parameter``, or the key of the optimizer's state.
        wrong: how many of its coordinates.
        before: the first of them, in words; `after` likewise.
    """

    sample: Sample
    what: str
    wrong: int
    before: str
    after: str


@dataclass(slots=True)
class Again:
    """The samples of an update as they are when the next one begins.

    Attributes:
        update: the one that left them.
        step: the one that begins.
        blocks: per sample, the parameter's block and the state's; None where it has another shape now.
    """

    update: Update
    step: int
    blocks: list[tuple[Block, dict[str, tuple[Any, Block]]] | None]


def again(update: Update, step: int, optimizer: Optimizer) -> Again:
    """Copy the samples of an update once more."""
    blocks: list[tuple[Block, dict[str, tuple[Any, Block]]] | None] = []
    for sample in update.samples:
        held = shards.local(sample.parameter)
        if held.numel() < sample.first + sample.count or held.dtype is not sample.dtype:
            blocks.append(None)
            continue
        state = optimizer.state.get(sample.parameter)
        copied = read_state(state, held.shape, sample.first, sample.count) if state else {}
        block = read(held, sample.first, sample.count)
        blocks.append((block, {} if isinstance(copied, str) else copied))
    return Again(update, step, blocks)


def changes(seen: Again) -> list[Changed]:
    """Return what is not as the update left it; a state that is gone as a whole was let go."""
    found = []
    for sample, now in zip(seen.update.samples, seen.blocks, strict=True):
        if now is None:
            continue
        block, state = now
        pairs = [("parameter", sample.dtype, sample.after, block)]
        for key, (kind, after) in sample.state_after.items():
            if key in state and state[key][0] == kind:
                pairs.append((key, kind, after, state[key][1]))
        for what, kind, after, later in pairs:
            change = _change(sample, what, kind, after, later)
            if change is not None:
                found.append(change)
    return found


def _change(sample: Sample, what: str, kind: Any, after: Any, later: Any) -> Changed | None:
    if isinstance(after, bytes) and isinstance(later, bytes) and after == later:
        return None
    dtype = kind[0] if isinstance(kind, tuple) else kind
    if not isinstance(dtype, torch.dtype):
        return None if after == later else Changed(sample, what, 1, repr(after), repr(later))
    was, now = values(dtype, after).reshape(-1), values(dtype, later).reshape(-1)
    off = ((was != now) & ~(was.isnan() & now.isnan())).nonzero().flatten()
    if not len(off):
        return None
    few = off[:_SHOWN]
    return Changed(sample, what, len(off), _shown(was[few]), _shown(now[few]))


def _shown(tensor: torch.Tensor) -> str:
    return ", ".join(f"{value:.9g}" for value in tensor.tolist())
