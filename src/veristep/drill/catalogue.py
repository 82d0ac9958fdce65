"""The rehearsals, and what an audit must say of each for it to have named it right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.drill import (
    learning_rate_off_schedule,
    nudged_weights,
    one_rank,
    repeated_batch,
    reversed_update,
    scaled_gradient,
)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One kind of sabotage.

    Attributes:
        name: in words.
        plant: writes the implant; takes a folder and the steps to act at.
        shows: the input of a step that is the first to differ (`replay.order.Difference.what`).
        lag: how many steps after the one it acts at it shows.
        reads_ahead: whether it may show a step later still, in a script that reads its loader ahead.
        ranks: processes a training must have for it.
    """

    name: str
    plant: Callable[..., Path]
    shows: str
    lag: int = 0
    reads_ahead: bool = False
    ranks: int = 1

    def named_right(self, finding: Mapping[str, Any], step: int, rank: int | None) -> bool:
        """Whether a finding (as JSON) says what was done: the input, the step, the rank, the tensor.

        Args:
            finding: one of an audit's.
            step: the step the implant acted at.
            rank: the one rank it acted on; None when it acted on all.
        """
        evidence = finding["evidence"]
        first = step + self.lag
        steps = (first, first + 1) if self.reads_ahead else (first,)
        of_a_tensor = self.shows in ("update", "gradient", "entry")
        return (
            evidence["what"] == self.shows
            and finding["step"] in steps
            and (rank is None or finding["rank"] == rank)
            and (bool(evidence["tensors"]) or not of_a_tensor)
        )


REHEARSALS = (
    Rehearsal("update reversed", reversed_update.plant, "update"),
    Rehearsal("gradient times 1.02", scaled_gradient.plant, "gradient"),
    Rehearsal("one rank only", one_rank.plant, "update", ranks=2),
    Rehearsal("rate off schedule", learning_rate_off_schedule.plant, "hyperparameter"),
    Rehearsal("batch repeated", repeated_batch.plant, "batch", reads_ahead=True),
    Rehearsal("weights nudged 1e-6", nudged_weights.plant, "entry", lag=1),
)
