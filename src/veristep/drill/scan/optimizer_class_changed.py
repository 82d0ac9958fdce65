"""An optimizer's class is given another step, with allowed names only."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import text, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = b"\x80\x02ctorch.optim.sgd\nSGD\nN}" + text("step") + b"cbuiltins\nrange\ns\x86b."
    return written(folder / "optimizer.pt", data)


ATTACK = Attack(
    "an optimizer's class given another step",
    "only allowed names: the state of the class SGD is set, so that its step is another function",
    "LOAD052",
    plant,
    (8, 9),
)
