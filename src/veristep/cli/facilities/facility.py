"""A facility of the machine, and what came of trying it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What came of trying a facility."""

    WORKS = "works"
    PARTLY = "partly"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class State:
    """A facility as it is here.

    Attributes:
        standing: what came of trying it.
        found: what was found, in words: a version, a path, or why it does not work.
        hint: what would make it work; empty when nothing has to.
    """

    standing: Standing
    found: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facility:
    """Something of the machine that parts of Veristep rest on.

    Attributes:
        name: a word or two; unique.
        serves: the families of rules, or the commands, that rest on it: ``("ENV", "audit")``.
        without: what is not covered, or works less well, without it; a sentence without its full stop.
        look: tries it. It must not need a network, write outside temporary folders, or take a second.
        required: whether Veristep does nothing useful without it.
    """

    name: str
    serves: tuple[str, ...]
    without: str
    look: Callable[[], State]
    required: bool = False


def every() -> list[Facility]:
    """Return all facilities, by name."""
    package = importlib.import_module(__package__)
    modules = [
        importlib.import_module(f"{package.__name__}.{each.name}")
        for each in pkgutil.iter_modules(package.__path__)
    ]
    found: list[Facility] = [module.FACILITY for module in modules if hasattr(module, "FACILITY")]
    return sorted(found, key=lambda each: each.name)


def look(facility: Facility) -> State:
    """Try a facility; that trying it fails is an answer too."""
    try:
        return facility.look()
    except Exception as error:  # noqa: BLE001 - boundary: one facility must not hide the others
        why = " ".join(str(error).split())[:200]
        return State(Standing.MISSING, f"it could not be tried: {type(error).__name__}: {why}")
