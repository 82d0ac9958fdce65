"""Gradients as backward leaves them, looked at again when the update begins.

What scripts do in between, as a rule, is to scale all of them by one factor: clipping by norm, undoing a
loss scale, averaging. A factor of one tensor's own, or no factor at all, is none of these.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.optim import Optimizer

from veristep.guard.step.blocks_torch import Block, read, values
from veristep.guard.step.shadow_torch import draw
from veristep.record import shards_torch as shards

BLOCK = 64
_SLACK = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
_SHOWN = 3


@dataclass(slots=True)
class Left:
    """A block of a gradient when backward had ended, and when the update begins."""

    parameter: torch.Tensor
    optimizer: int
    first: int
    count: int
    dtype: torch.dtype
    then: Block
    now: Block = b""


@dataclass(frozen=True, slots=True)
class Altered:
    """A gradient that was not merely scaled as the others were.

    Attributes:
        left: its block.
        factor: by which it was scaled; None where it is no multiple.
        usual: the factor of the others.
        expected: the first coordinates when backward had ended; `got` when the update began.
    """

    left: Left
    factor: float | None
    usual: float | None
    expected: str
    got: str


def left_by_backward(optimizers: Iterable[tuple[int, Optimizer]], most: int) -> list[Left]:
    """Copy blocks of some gradients of each optimizer, drawn where nobody can foresee them."""
    found: list[Left] = []
    for number, optimizer in optimizers:
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        if not parameters:
            continue
        for place in draw(len(parameters), most):
            parameter = parameters[place]
            if parameter.grad is None:
                continue
            grad = shards.local(parameter.grad)
            size = grad.numel()
            if grad.layout is not torch.strided or grad.dtype not in _SLACK or not size:
                continue
            count = min(size, BLOCK)
            first = int.from_bytes(os.urandom(6), "little") % (size - count + 1)
            block = read(grad, first, count)
            found.append(Left(parameter, number, first, count, grad.dtype, block))
    return found


def read_again(left: Iterable[Left]) -> list[Left]:
    """Copy the blocks once more; those whose gradient is gone, or another kind of tensor, are left out."""
    found = []
    for each in left:
        grad = each.parameter.grad
        if grad is None:
            continue
        held = shards.local(grad)
        if held.dtype is each.dtype and held.numel() >= each.first + each.count:
            each.now = read(held, each.first, each.count)
            found.append(each)
    return found


def altered(left: Iterable[Left]) -> Altered | None:
    """Return the gradient that was altered otherwise than the others."""
    factors: list[tuple[Left, float | None, torch.Tensor, torch.Tensor]] = []
    for each in left:
        if isinstance(each.then, bytes) and each.then == each.now:
            then = now = values(each.dtype, each.then).double()
        else:
            then, now = values(each.dtype, each.then).double(), values(each.dtype, each.now).double()
        size = float(then.norm())
        if not (math.isfinite(size) and bool(now.isfinite().all())) or size == 0.0:
            continue
        factors.append((each, _factor(then, now, _SLACK[each.dtype]), then, now))
    known = sorted(factor for _, factor, _, _ in factors if factor is not None)
    usual = known[len(known) // 2] if known else None
    for each, factor, then, now in factors:
        slack = _SLACK[each.dtype]
        if factor is None and _is_clamped(then, now):
            continue
        if factor is None or (
            usual is not None and abs(factor - usual) > 4 * slack * max(abs(usual), 1e-30)
        ):
            # Of two that differ, the one that was changed at all is named.
            if factor is not None and abs(factor - 1.0) <= slack and len(known) == 2:
                continue
            other = next((one for one in known if one != factor), None) if factor == usual else usual
            return Altered(each, factor, other, _shown(then), _shown(now))
    return None


def _factor(then: torch.Tensor, now: torch.Tensor, slack: float) -> float | None:
    """Return the factor between two blocks; None where they are no multiples."""
    factor = float(then @ now) / float(then @ then)
    # A gradient that underflows after scaling is a multiple still, within the size of the largest.
    off = (now - factor * then).abs()
    allowed = slack * (factor * then).abs() + 1e-6 * abs(factor) * float(then.abs().max())
    return factor if bool((off <= allowed).all()) else None


def _is_clamped(then: torch.Tensor, now: torch.Tensor) -> bool:
    """Whether coordinates were held within one bound: clipping by value."""
    changed = then != now
    bounds = now[changed].abs()
    if not len(bounds):
        return True
    bound = float(bounds.max())
    return bool(((bounds - bound).abs() <= 1e-6 * bound).all() and (then[changed].abs() >= bound).all())


def _shown(tensor: torch.Tensor) -> str:
    return ", ".join(f"{value:.6g}" for value in tensor[:_SHOWN].tolist())
