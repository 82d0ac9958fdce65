"""What is passed along while one file is looked at, and the bounds of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from veristep.scan.names import Names
from veristep.scan.seen import Notes, Outcome, Seen, Sort
from veristep.scan.source import ShortError, Source

# Archives in archives; a real one has two or three levels.
MOST_DEPTH = 8
# Members of all archives of one file.
MOST_MEMBERS = 200_000
# Bytes unpacked for one file, all of them together.
MOST_UNPACKED = 256 << 20
_BLOCK = 1 << 20


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
        spans: stretches that are accounted for: judged, handed on, or numbers that nothing interprets.
    """

    source: Source
    name: str = ""
    place: str = ""
    depth: int = 0
    spans: list[tuple[int, int]] = field(default_factory=list)

    def claim(self, start: int = 0, stop: int | None = None) -> None:
        """Account for a stretch; without a place, for all of it.

        Raises:
            ShortError: the file ends within it, so it is not what it is described as.
        """
        stop = self.source.size if stop is None else stop
        if stop > self.source.size or stop < start:
            raise ShortError(
                f"bytes {start:,} to {stop:,} are described, and the file ends at byte {self.source.size:,}"
            )
        self.spans.append((start, stop))

    def unclaimed(self) -> tuple[int, int] | None:
        """Return the first stretch that nobody accounted for and that is not zeros; None for no such."""
        at = 0
        for start, stop in [*sorted(self.spans), (self.source.size, self.source.size)]:
            if start > at and not is_zeros(self.source, at, start):
                return at, start
            at = max(at, stop)
        return None

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
        unpacked, members, stretches: used of their bounds.
        needs: kinds of packing that could be looked into with a package that is not loaded.
    """

    names: Names
    dispatch: Callable[[Looking, Item], str]
    notes: Notes = field(default_factory=Notes)
    unpacked: int = 0
    members: int = 0
    stretches: int = 0
    needs: set[str] = field(default_factory=set)

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


def is_zeros(source: Source, start: int, stop: int) -> bool:
    """Whether a stretch is padding: zeros alone. One too long to be read is not."""
    if stop - start > MOST_UNPACKED:
        return False
    return not any(
        source.read(at, min(_BLOCK, stop - at)).strip(b"\0") for at in range(start, stop, _BLOCK)
    )


def accounted(scan: Looking, item: Item, look: Callable[[Looking, Item], str]) -> str:
    """Look at an item as one format, and hold that format to account for every byte of it.

    A format that gives up early, and says nothing, clears nothing.
    """
    before = scan.notes.doubts
    kind = look(scan, item)
    if scan.notes.doubts == before and (left := item.unclaimed()):
        text = f"{left[1] - left[0]:,} bytes from byte {left[0]:,} on belong to nothing in this {kind}"
        scan.doubt(item, Sort.TRAILING, text)
    return kind


class Format(Protocol):
    """A kind of file: one module below `scan.formats` each.

    What its `look` has not accounted for with `Item.claim`, nor doubted anything of, is unknown.
    """

    def recognises(self, item: Item, head: bytes) -> bool:
        """Whether the content is of this kind, by its first bytes; its name decides nothing safe."""

    def look(self, scan: Looking, item: Item) -> str:
        """Look at it, note what is wrong, and return what it is in words."""
