"""What was measured of a difference, in words: its size, and its direction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A cosine this near to one of its ends is said to be there.
_CLOSE = 0.005


@dataclass(frozen=True, slots=True)
class Measured:
    """Size and direction of a difference, from sampled coordinates (`replay.noise.reading`).

    Attributes:
        of: ``update``, or ``values`` of a state.
        tensors: the tensors the coordinates lie in.
        coordinates: how many there are.
        relative: Euclidean size of the difference over that of what the replay gives.
        cosine: between what was recorded and what the replay gives; None when one is zero.
        error: standard error of the cosine; None when it is not known.
        later: how many steps later the coordinates were seen, at most.
        recorded: some of the recorded ones.
        replayed: the same of the replay.
    """

    of: str
    tensors: tuple[str, ...]
    coordinates: int
    relative: float
    cosine: float | None
    error: float | None
    later: int
    recorded: tuple[float, ...]
    replayed: tuple[float, ...]


def measured(evidence: Mapping[str, Any]) -> Measured | None:
    """Return what a finding's evidence says was measured; None when it says nothing that can be read."""
    found = evidence.get("measured")
    if not isinstance(found, Mapping):
        return None
    try:
        return Measured(
            str(found["of"]),
            tuple(map(str, found["tensors"])),
            int(found["coordinates"]),
            float(found["relative"]),
            None if found["cosine"] is None else float(found["cosine"]),
            None if found["cosine_error"] is None else float(found["cosine_error"]),
            int(found["later"]),
            _floats(found["recorded"]),
            _floats(found["replayed"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def in_words(value: Measured) -> str:
    """Return size and direction in one line."""
    unit = "the true update" if value.of == "update" else "the true values"
    text = f"differs by {_times(value.relative)} {unit}; {_cosine(value)}"
    many = f" and {len(value.tensors) - 1} more" if len(value.tensors) > 1 else ""
    text += f" (from {value.coordinates} sampled coordinates of {value.tensors[0]}{many}"
    if value.later:
        text += f", seen up to {value.later} steps later: nearly"
    return text + ")"


def _times(relative: float) -> str:
    if not math.isfinite(relative):
        return "more than all of"
    return f"{relative:.2g} x"


def _cosine(value: Measured) -> str:
    if value.cosine is None:
        return "one of the two is zero"
    error = "" if value.error is None or value.error < _CLOSE else f" ± {value.error:.2f}"
    text = f"cosine {value.cosine:.2f}{error}"
    return text + ": reversed" if value.cosine < -1 + _CLOSE else text


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
