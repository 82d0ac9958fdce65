"""The data a run says it reads: looked up before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import VeristepError
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.supervise.data import store


@dataclass(frozen=True, slots=True)
class Declared:
    """What was found of it.

    Attributes:
        entries: of kind ``data.locked``.
        missing: per name, why it was not found.
    """

    entries: tuple[Entry, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> list[Json]:
        """Return what stands of it in ``run.opened``."""
        return [{"digest": each.body.get("digest"), "entry": each.index} for each in self.entries]


def look_up(ledger: Ledger, names: Iterable[str], cwd: Path) -> Declared:
    """Return the locks of data by its names, its folders (also relative ones) or its root digests."""
    entries: list[Entry] = []
    missing: list[tuple[str, str]] = []
    for name in dict.fromkeys(names):
        place = cwd / name
        try:
            wanted = str(place) if "://" not in name and place.exists() else name
            entries.append(store.find(ledger, wanted, name))
        except VeristepError as error:
            missing.append((name, str(error)))
    return Declared(tuple(entries), tuple(missing))
