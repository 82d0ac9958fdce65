"""Which names a pickle may look up: exact pairs from the profiles, and nothing by prefix."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from veristep.scan import profiles

# What files may name when they are scanned; ENUMS are reached by getattr in some interpreters' pickles.
SCANNED = ("python", "numpy", "torch", "trainers", "estimators", "pandas", "script", *profiles.RARELY)
ENUMS = "enums"
# Classes that a TorchScript archive defines itself; no module of Python is called so.
SCRIPT_CLASSES = "__torch__."


class Standing(StrEnum):
    """What a name is known as."""

    ALLOWED = "allowed"
    EXECUTES = "executes"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Names:
    """The names that are known.

    Attributes:
        allowed: pairs that can do no harm, whatever they are called with.
        enums: enumerations, whose members are reached by ``getattr``.
        executing: pairs that run what they are given; ``(module, "*")`` is a whole module.
    """

    allowed: frozenset[tuple[str, str]]
    enums: frozenset[tuple[str, str]]
    executing: frozenset[tuple[str, str]]

    def standing(self, module: str, name: str) -> Standing:
        """Return what a name is known as, as the file has it: dots in it are not followed."""
        if (module, name) in self.allowed or module.startswith(SCRIPT_CLASSES):
            return Standing.ALLOWED
        parts = f"{module}.{name}".split(".")
        within = module.count(".") + 1
        # A dotted name reaches through modules: torch.serialization, "os.system".
        for start in (0, *range(within, len(parts) - 1)):
            for end in range(start + 1, len(parts)):
                owner = ".".join(parts[start:end])
                if (owner, "*") in self.executing or (owner, parts[end]) in self.executing:
                    return Standing.EXECUTES
        return Standing.UNLISTED

    def of_the_language(self, module: str) -> bool:
        """Whether a module belongs to Python: what is not listed of it has no place in an artifact."""
        root = module.partition(".")[0]
        return root in sys.stdlib_module_names or root in ("__builtin__", "copy_reg", "commands", "popen2")


def known(more: Iterable[tuple[str, str]] = ()) -> Names:
    """Return the names of the profiles, and `more` that somebody allows."""
    enums = profiles.load(ENUMS)
    allowed = profiles.load(*SCANNED) | enums | frozenset(more)
    return Names(allowed, enums, profiles.load(profiles.EXECUTION))
