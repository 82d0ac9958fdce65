"""What was seen in a file, and what follows from it: plain values that pass between processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from veristep.core.canonical import Json


class Outcome(StrEnum):
    """How the scan of a file ends, mildest first. Nothing else exists: no file is skipped."""

    ALLOW = "allow"
    UNKNOWN = "unknown"
    DENY = "deny"


class Sort(StrEnum):
    """What kind of thing was seen; each has a rule of its own."""

    CODE = "code"
    UNLISTED = "unlisted"
    PATCH = "patch"
    CONTAINER = "container"
    TRAILING = "trailing"
    DAMAGED = "damaged"
    NATIVE = "native"
    SCRIPT = "script"
    REMOTE = "remote"
    TEMPLATE = "template"
    MISNAMED = "misnamed"
    EMBEDDED = "embedded"
    EXTERNAL = "external"
    ESCAPE = "escape"
    HEADER = "header"
    UNSCANNED = "unscanned"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing worth telling.

    Attributes:
        sort: which rule it belongs to.
        outcome: what follows from it alone; ALLOW for what is only worth knowing.
        text: what, in a sentence without a full stop, naming no file.
        place: where inside the file: members of archives, outermost first, then a byte if known.
        detail: the callable with its arguments, or expected against got.
    """

    sort: Sort
    outcome: Outcome
    text: str
    place: str = ""
    detail: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "sort": self.sort.value,
            "outcome": self.outcome.value,
            "text": self.text,
            "place": self.place,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the scan of one file.

    Attributes:
        path: as it was asked for.
        kind: what the content is, in words: ``torch checkpoint (zip)``.
        seen: what was seen; empty when there is nothing to tell.
        size: bytes of the file.
        read: bytes of it that were read; tensors' bytes are not.
        parts: pickles, headers and the like that were judged, in archives too.
    """

    path: str
    kind: str
    seen: tuple[Seen, ...] = ()
    size: int = 0
    read: int = 0
    parts: int = 0

    @property
    def outcome(self) -> Outcome:
        """The worst of what was seen."""
        order = list(Outcome)
        return max((each.outcome for each in self.seen), key=order.index, default=Outcome.ALLOW)

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form."""
        return {
            "path": self.path,
            "outcome": self.outcome.value,
            "kind": self.kind,
            "size": self.size,
            "read": self.read,
            "parts": self.parts,
            "seen": [each.to_json() for each in self.seen],
        }


@dataclass(slots=True)
class Notes:
    """What is being seen in one file, bounded: a file made to fill a report cannot.

    Attributes:
        seen: what is told.
        parts: as in `Report`.
        more: how many things are left out.
        doubts: how often something was noted that keeps the file from being allowed.
    """

    seen: list[Seen] = field(default_factory=list)
    parts: int = 0
    more: int = 0
    doubts: int = 0

    MOST = 100  # of one outcome

    def add(self, seen: Seen) -> None:
        """Note one thing; the same thing twice is noted once."""
        self.doubts += seen.outcome is not Outcome.ALLOW
        if seen in self.seen:
            return
        if sum(each.outcome is seen.outcome for each in self.seen) >= self.MOST:
            self.more += 1
            return
        self.seen.append(seen)

    @property
    def denied(self) -> bool:
        """Whether something was seen that no file may have."""
        return any(each.outcome is Outcome.DENY for each in self.seen)


def from_json(path: str, value: Mapping[str, Any]) -> Report:
    """Return the report a scanning process sent.

    Raises:
        KeyError, ValueError, TypeError, AttributeError: it does not have the form of one.
    """
    seen = tuple(
        Seen(
            Sort(each["sort"]),
            Outcome(each["outcome"]),
            str(each["text"]),
            str(each["place"]),
            str(each["detail"]),
        )
        for each in value["seen"]
    )
    return Report(
        path, str(value["kind"]), seen, int(value["size"]), int(value["read"]), int(value["parts"])
    )
