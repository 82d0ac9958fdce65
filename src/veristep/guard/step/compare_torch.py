"""How far what an optimizer left may be from what a pristine one computes, and what differs."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import torch

ULPS: Final = 4
"""Steps of the dtype by which a value may differ: another order of the same operations, fused ones."""

RELATIVE: Final = {
    torch.float64: 1e-6,
    torch.float32: 1e-4,
    torch.bfloat16: 2e-2,
    torch.float16: 3e-3,
}
"""By dtype, the part of the update itself by which it may differ, beside `ULPS` of the value."""

_SHOWN = 3


class Difference(NamedTuple):
    """How a value differs from the one expected.

    Attributes:
        wrong: coordinates outside the tolerance.
        cosine: of the angle between the two updates; None where one is nothing, or no number.
        ratio: length of the update seen by that of the one expected.
        before: of the first wrong coordinates, in words; likewise `expected` and `got`.
    """

    wrong: int
    cosine: float | None
    ratio: float | None
    before: str
    expected: str
    got: str


def differ(before: torch.Tensor, want: torch.Tensor, got: torch.Tensor) -> Difference | None:
    """Return how `got` differs from `want`, both updates of `before`; None within the tolerance."""
    if torch.equal(want, got):
        return None
    dtype = got.dtype
    was, wanted, seen = before.double(), want.double(), got.double()
    update = wanted - was
    size = torch.maximum(was.abs(), torch.maximum(wanted.abs(), seen.abs()))
    whole = update.abs()[update.isfinite()]
    largest = float(whole.max()) if whole.numel() else 0.0
    tiny = torch.finfo(dtype)
    relative = RELATIVE.get(dtype, 1e-4)
    # Of an update that nearly cancels, the error is that of what cancels: about the others' size.
    allowed = relative * (update.abs() + largest / 100) + ULPS * (tiny.eps * size + tiny.tiny)
    off = (seen - wanted).abs()
    wrong = ~((off <= allowed) | (seen == wanted) | (seen.isnan() & wanted.isnan()))
    places = wrong.nonzero().flatten()
    if not len(places):
        return None
    cosine, ratio = _angle(update, seen - was)
    few = places[:_SHOWN]
    return Difference(len(places), cosine, ratio, *(_shown(each[few]) for each in (was, wanted, seen)))


def _angle(want: torch.Tensor, got: torch.Tensor) -> tuple[float | None, float | None]:
    one, other = float(want.norm()), float(got.norm())
    if not (math.isfinite(one) and math.isfinite(other)) or one == 0.0:
        return None, None
    return (float(want @ got) / (one * other) if other else 0.0), other / one


def _shown(values: torch.Tensor) -> str:
    return ", ".join(f"{value:.9g}" for value in values.tolist())


def state_difference(
    before: dict[str, Any], want: dict[str, Any], got: dict[str, Any]
) -> tuple[str, Difference] | None:
    """Return the first key of an optimizer's state that differs, and how."""
    for key, wanted in want.items():
        seen = got.get(key)
        if not isinstance(wanted, torch.Tensor) or not isinstance(seen, torch.Tensor):
            if isinstance(wanted, torch.Tensor) or isinstance(seen, torch.Tensor):
                return key, Difference(1, None, None, "", _kind(wanted), _kind(seen))
            continue
        was = before.get(key)
        start = was if isinstance(was, torch.Tensor) else torch.zeros_like(seen)
        found = differ(start.reshape(-1), wanted.reshape(-1).to(seen.dtype), seen.reshape(-1))
        if found is not None:
            return key, found
    return None


def _kind(value: Any) -> str:
    return "a tensor" if isinstance(value, torch.Tensor) else repr(value)
