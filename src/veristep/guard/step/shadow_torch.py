"""The shadow optimizer: some coordinates of an update, computed once more by a pristine copy.

While the training waits, blocks of a few tensors are copied: before the update with their gradients and
state, and after it. What is to come of them is computed on the worker thread. Which tensors and which
coordinates is drawn from the system's randomness when the gradients are there already: no code of the
training knows them beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.guard.step.blocks_torch import Block, read, read_state, state_values, values
from veristep.guard.step.compare_torch import Difference, differ, state_difference
from veristep.guard.step.pristine_torch import Pristine
from veristep.record import shards_torch as shards

BLOCK = 64
"""Elements of a tensor that are looked at in one step."""

_FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
_HALVES = (torch.bfloat16, torch.float16)


@dataclass(slots=True)
class Sample:
    """A block of one parameter around one update."""

    parameter: torch.Tensor
    number: int
    group: dict[str, Any]
    first: int
    count: int
    dtype: torch.dtype
    before: Block
    grad: Block
    state: dict[str, tuple[Any, Block]]
    on_device: bool
    after: Block = b""
    state_after: dict[str, tuple[Any, Block]] = field(default_factory=dict)


@dataclass(slots=True)
class Scaled:
    """What a gradient scaler left to the optimizer itself: the scale, and whether a gradient overflowed."""

    scale: torch.Tensor | None = None
    overflow: torch.Tensor | None = None


@dataclass(slots=True)
class Update:
    """The samples of one update."""

    step: int
    optimizer: int
    kind: str
    samples: list[Sample]
    scaled: Scaled
    missed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A sample that a pristine optimizer computes otherwise.

    Attributes:
        sample: it.
        what: ``parameter``, or the key of the optimizer's state.
        difference: between the two.
    """

    sample: Sample
    what: str
    difference: Difference


def before(step: int, number: int, kind: str, optimizer: Optimizer, most: int) -> Update:
    """Copy what an update starts from, of at most `most` tensors."""
    groups = optimizer.param_groups
    update = Update(step, number, kind, [], _scaled(optimizer))
    copied: dict[int, dict[str, Any]] = {}
    total = sum([len(group["params"]) for group in groups])
    for place in draw(total, most):
        which, inner = 0, place
        while inner >= len(groups[which]["params"]):
            inner -= len(groups[which]["params"])
            which += 1
        if which not in copied:
            copied[which] = _plain(groups[which])
        sample = _sample(optimizer, groups[which]["params"][inner], place, copied[which])
        if isinstance(sample, str):
            update.missed[sample] = update.missed.get(sample, 0) + 1
        else:
            update.samples.append(sample)
    return update


def refresh(update: Update) -> None:
    """Copy gradients and weights once more: a hook of the script's may have changed them since."""
    for sample in update.samples:
        grad = sample.parameter.grad
        if grad is not None:
            sample.grad = read(shards.local(grad), sample.first, sample.count)
        sample.before = read(shards.local(sample.parameter), sample.first, sample.count)


def after(update: Update, optimizer: Optimizer) -> None:
    """Copy what the update left."""
    for sample in update.samples:
        parameter = shards.local(sample.parameter)
        sample.after = read(parameter, sample.first, sample.count)
        state = optimizer.state.get(sample.parameter, {})
        left = read_state(state, parameter.shape, sample.first, sample.count)
        sample.state_after = {} if isinstance(left, str) else left


def judge(update: Update, pristine: Pristine) -> list[Wrong]:
    """Compute each sample once more and return those that differ."""
    found = (_judge(update, sample, pristine) for sample in update.samples)
    return [each for each in found if each is not None]


def draw(total: int, most: int) -> Sequence[int]:
    """Return numbers below `total`, each at most once, that nobody can foresee."""
    if total <= most:
        return range(total)
    thrown = os.urandom(4 * most)
    words = (int.from_bytes(thrown[place : place + 4], "little") for place in range(0, 4 * most, 4))
    return sorted({word % total for word in words})


def _sample(
    optimizer: Optimizer, parameter: torch.Tensor, number: int, group: dict[str, Any]
) -> Sample | str:
    grad = parameter.grad
    if grad is None:
        return "no gradient"
    held, slope = shards.local(parameter), shards.local(grad)
    if slope.layout is not torch.strided or held.dtype not in _FLOATS or slope.dtype is not held.dtype:
        return "gradients or parameters of another kind"
    size = held.numel()
    if not size or slope.shape != held.shape:
        return "no elements here"
    count = min(size, BLOCK)
    first = int.from_bytes(os.urandom(6), "little") % (size - count + 1)
    state = read_state(optimizer.state.get(parameter, {}), held.shape, first, count)
    if isinstance(state, str):
        return state
    return Sample(
        parameter,
        number,
        group,
        first,
        count,
        held.dtype,
        read(held, first, count),
        read(slope, first, count),
        state,
        not held.is_cpu,
    )


def _plain(group: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value.detach().clone() if isinstance(value, torch.Tensor) else value
        for key, value in group.items()
        if key != "params"
    }


def _scaled(optimizer: Optimizer) -> Scaled:
    scale, overflow = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
    return Scaled(
        scale.clone() if isinstance(scale, torch.Tensor) else None,
        overflow.clone() if isinstance(overflow, torch.Tensor) else None,
    )


def _judge(update: Update, sample: Sample, pristine: Pristine) -> Wrong | None:
    start, grad = values(sample.dtype, sample.before), values(sample.dtype, sample.grad)
    state, left = state_values(sample.state), state_values(sample.state_after)
    group = {key: _here(value) for key, value in sample.group.items()}
    # Lists of tensors are updated by other operations than single ones, which round otherwise.
    group["foreach"] = _by_lists(group, sample)
    got = values(sample.dtype, sample.after)
    overflow = update.scaled.overflow
    if overflow is not None and bool(overflow.cpu()):
        want, state_want = start, state
    else:
        # A fused kernel computes in single precision whatever it reads and writes.
        wide = torch.float32 if group.get("fused") and sample.dtype in _HALVES else sample.dtype
        vector = start.clone().to(wide)
        vector.grad = grad.clone().to(wide)
        if update.scaled.scale is not None:
            vector.grad = vector.grad / update.scaled.scale.cpu()
        inner = {key: _own(value, wide, sample.dtype) for key, value in state.items()}
        state_want = pristine.step(update.kind, vector, group, inner)
        want = vector.to(sample.dtype)
    found = differ(start, want, got)
    if found is not None:
        return Wrong(sample, "parameter", found)
    wrong = state_difference(state, state_want, left)
    return Wrong(sample, *wrong) if wrong is not None else None


def _by_lists(group: dict[str, Any], sample: Sample) -> bool:
    chosen = group.get("foreach")
    return bool(sample.on_device and not group.get("fused") if chosen is None else chosen)


def _here(value: Any) -> Any:
    return value.cpu() if isinstance(value, torch.Tensor) else value


def _own(value: Any, wide: torch.dtype, narrow: torch.dtype) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    own = value.clone()
    return own.to(wide) if own.dtype is narrow else own
