"""Other code, executed in a module under the name of the file it does not come from."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.executed import EDITED

_IMPLANT = """
import sys, types
place, text = {place!r}, {text!r}
module = types.ModuleType("parts.core")
module.__file__ = place
exec(compile(text, place, "exec"), module.__dict__)
import parts
parts.core = sys.modules["parts.core"] = module
"""


def plant(folder: Path) -> Path:
    """Leave an implant that puts the module there before anybody imports it."""
    module = folder / "site-packages/parts/core.py"
    text = _IMPLANT.format(place=str(module), text=EDITED)
    (folder / "site-packages/sitecustomize.py").write_text(text, encoding="utf-8")
    return module


ATTACK = Attack(
    "executed under its name",
    "executes other code under the file name of an installed module, from a sitecustomize",
    "ENV040",
    plant,
    incident=(8,),
)
