"""A rehearsal of an attack on what a run is made of: files, packages, artifacts, data.

Each stands in a file of its own below the folder of its family, as a constant ``ATTACK``. It touches only
what it is given, its payload is harmless (it writes a mark, or changes a number), and it says which rule
has to notice it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        name: a few words; unique among all attacks.
        does: what it does, in a sentence.
        rule: id of the rule that has to find it.
        plant: carries it out on a folder that whoever rehearses it has made, and that holds what the
            attacks of its family need; returns the path a finding has to name.
        incident: rows of the incident it rehearses.
    """

    name: str
    does: str
    rule: str
    plant: Callable[[Path], Path]
    incident: tuple[int, ...] = ()


def family(name: str) -> list[Attack]:
    """Return the attacks of a family, ``env`` for example, by name.

    Raises:
        ModuleNotFoundError: there is no such family.
    """
    package = importlib.import_module(f"veristep.drill.{name}")
    modules = [
        importlib.import_module(f"{package.__name__}.{each.name}")
        for each in pkgutil.iter_modules(package.__path__)
    ]
    found: list[Attack] = [module.ATTACK for module in modules if hasattr(module, "ATTACK")]
    return sorted(found, key=lambda each: each.name)
