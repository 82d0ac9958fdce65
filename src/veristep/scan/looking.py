"""What is passed along while one file is looked at, and the bounds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from veristep.scan.names import Names
from veristep.scan.seen import Notes, Outcome, Seen, Sort
from veristep.scan.source import Source

# Archives in archives; a real one has two or three levels.
MOST_DEPTH = 8
# Members of all archives of one file.
MOST_MEMBERS = 200_000
# Bytes unpacked for one file, all of them together.
MOST_UNPACKED = 256 << 20


class LimitError(Exception):
    """A bound of the scan was reached; the message says which."""


@dataclass(slots=True)
class Item:
    """One thing to look at: a file, or a member of one.

    Attributes:
        source: its bytes.
        name: its file name, for what a name says of the content.
        place: where inside the file that was asked for; empty for the file itself.
        depth: archives around it.
    """

    source: Source
    name: str = ""
    place: str = ""
    depth: int = 0

    def inside(self, source: Source, name: str) -> Item:
        """Return a member of this item."""
        return Item(source, name, f"{self.place}{'/' if self.place else ''}{name}", self.depth + 1)


@dataclass(slots=True)
class Looking:
    """The scan of one file.

    Attributes:
        names: what pickles may name.
        dispatch: looks at a member, whatever it is, and returns what it is in words.
        notes: takes what is seen.
        unpacked, members: used of their bounds.
    """

    names: Names
    dispatch: Callable[[Looking, Item], str]
    notes: Notes = field(default_factory=Notes)
    unpacked: int = 0
    members: int = 0

    def note(self, item: Item, sort: Sort, outcome: Outcome, text: str, detail: str = "") -> None:
        """Note what was seen at an item."""
        self.notes.add(Seen(sort, outcome, text, item.place, detail))

    def deny(self, item: Item, sort: Sort, text: str, detail: str = "") -> None:
        """Note what no artifact may have."""
        self.note(item, sort, Outcome.DENY, text, detail)

    def doubt(self, item: Item, sort: Sort, text: str, detail: str = "") -> None:
        """Note what keeps an item from being cleared."""
        self.note(item, sort, Outcome.UNKNOWN, text, detail)

    def look(self, item: Item) -> str:
        """Look at a member, whatever it is, and return what it is in words.

        Raises:
            LimitError: it lies too deep, or there are too many.
        """
        self.members += 1
        if self.members > MOST_MEMBERS:
            raise LimitError(f"more than {MOST_MEMBERS:,} members in all")
        if item.depth > MOST_DEPTH:
            raise LimitError(f"archives nested more than {MOST_DEPTH} deep")
        return self.dispatch(self, item)

    def unpack(self, count: int) -> None:
        """Account for bytes unpacked.

        Raises:
            LimitError: too many in all.
        """
        self.unpacked += count
        if self.unpacked > MOST_UNPACKED:
            raise LimitError(f"it unpacks to more than {MOST_UNPACKED >> 20} MiB")


class Format(Protocol):
    """A kind of file: one module below `scan.formats` each."""

    def recognises(self, item: Item, head: bytes) -> bool:
        """Whether the content is of this kind, by its first bytes; its name decides nothing safe."""

    def look(self, scan: Looking, item: Item) -> str:
        """Look at it, note what is wrong, and return what it is in words."""
