"""One step learns from the batch before once more."""

from __future__ import annotations

from pathlib import Path

from veristep.drill import repeated_batch
from veristep.drill.attack import Attack
from veristep.drill.step import ACT_AT, implant


def plant(folder: Path) -> Path:
    """Write the implant into a folder of its own."""
    return repeated_batch.plant(implant(folder), steps=[ACT_AT])


ATTACK = Attack(
    "a batch handed over twice", "One step learns from the batch before once more.", "STEP007", plant, (9,)
)
