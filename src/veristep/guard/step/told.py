"""What a training process told of a step, as findings need it.

For the supervisor: nothing here is imported in a training process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from veristep.core.verdicts import Suspect

FAMILIAR = 20
"""So often something was seen unchanged before a change of it counts as one."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was seen.

    Attributes:
        step: its number.
        rank: None where the process told none.
        tensor: its readable name; empty where it is about none.
        suspects: the process that told of it.
    """

    step: int
    rank: int | None
    tensor: str
    suspects: tuple[Suspect, ...]


def place(line: Mapping[str, Any]) -> Place:
    """Return where a line of a run's log, checked by nobody, says it was."""
    rank, _, _ = str(line.get("stream", "")).partition(".")
    pid = line.get("peer_pid")
    known = "the kernel's word for who told of it"
    suspects = (Suspect("process", str(pid), known),) if isinstance(pid, int) else ()
    step = line.get("step")
    return Place(
        step if isinstance(step, int) else 0,
        int(rank) if rank.isdecimal() else None,
        str(line.get("tensor", "")),
        suspects,
    )


def number(line: Mapping[str, Any], key: str) -> int:
    """Return a whole number of a line; 0 where it is none."""
    value = line.get(key)
    return value if isinstance(value, int) else 0
