"""From the samples of a difference to what people are told: how large, and in which direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from veristep.core.canonical import Json, number
from veristep.core.sketch import Pair, compare
from veristep.replay.order import Difference, Sampled

# Coordinates kept for a picture.
MAX_DRAWN = 96


def evidence(difference: Difference) -> dict[str, Json]:
    """Return a difference as a finding holds it, with what was measured of it."""
    fields = {key: value for key, value in asdict(difference).items() if key not in ("step", "samples")}
    measured = measure(difference)
    return {**fields, "measured": measured} if measured else fields


def measure(difference: Difference) -> dict[str, Json]:
    """Return size and direction of a difference, from the samples in the tensors that differ.

    What the step itself shows is taken; only where it shows nothing of them, what later steps show. Empty
    when neither does.
    """
    named = [each for each in difference.samples if each.tensor in difference.tensors]
    chosen = [each for each in named if each.later == 0] or named
    if not chosen:
        return {}
    # A line that was drawn twice counts twice in an estimate, and once for the eye.
    distinct = list({(each.tensor, each.start): each for each in chosen}.values())
    tensors = [name for name in difference.tensors if any(each.tensor == name for each in chosen)]
    found = compare([Pair(each.weight, each.recorded, each.replayed) for each in chosen])
    return {
        "of": "values" if difference.what == "state" else "update",
        "tensors": [*tensors],
        "coordinates": sum(len(each.recorded) for each in distinct),
        "relative": number(found.relative),
        "cosine": number(found.cosine),
        "cosine_error": number(found.error),
        "later": max(each.later for each in chosen),
        **_drawn(distinct),
    }


def _drawn(samples: Sequence[Sampled]) -> Mapping[str, Json]:
    """Return some coordinates of both, to six digits: they are for looking at."""
    recorded = [value for each in samples for value in each.recorded][:MAX_DRAWN]
    replayed = [value for each in samples for value in each.replayed][:MAX_DRAWN]
    return {
        name: [number(float(f"{value:.6g}")) for value in values]
        for name, values in (("recorded", recorded), ("replayed", replayed))
    }
