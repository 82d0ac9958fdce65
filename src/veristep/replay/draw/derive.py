"""The draw: an order of a run's intervals that nobody could foresee and anybody can compute again.

It is derived from a nonce, the first checkpoint that covers the end of the run's record, the run's id and
the list of its intervals. Whoever trains does not know the nonce; whoever holds the nonce committed to it
before the run ended, and neither the checkpoint nor the intervals were known then. Nobody is left a choice:
one committed nonce and one first checkpoint give one order (`docs/adr/`, the draw).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from veristep.core.canonical import Json, encode
from veristep.ledger import checkpoints
from veristep.ledger.auditors import FORMAT
from veristep.replay.plan.intervals import Interval

_SEED_DOMAIN = b"veristep/draw/v1\n"


class Binding(StrEnum):
    """What keeps whoever audits from steering a draw."""

    COMMITTED = "committed"
    FRESH = "fresh"


@dataclass(frozen=True, slots=True)
class Draw:
    """What a draw is derived from, and how far it is bound.

    Attributes:
        run: the run's id.
        nonce: shown now.
        checkpoint: a signed note; its text counts, its signatures do not.
        intervals: digest of the list of intervals.
        commitment: index of the entry that committed to the nonce; None for a fresh nonce.
        why_fresh: why the nonce is a fresh one, in words; empty for a committed one.
    """

    run: str
    nonce: bytes
    checkpoint: str
    intervals: str
    commitment: int | None = None
    why_fresh: str = ""

    @property
    def binding(self) -> Binding:
        """Whether the nonce was committed to."""
        return Binding.FRESH if self.commitment is None else Binding.COMMITTED

    def order(self, count: int) -> tuple[int, ...]:
        """Return the numbers of `count` intervals in the order in which they are drawn."""
        return order(count, seed(self.nonce, self.checkpoint, self.run, self.intervals))

    def to_json(self) -> dict[str, Json]:
        """Return the form in which ``audit.done`` shows it."""
        return {
            "format": FORMAT,
            "nonce": self.nonce.hex(),
            "checkpoint": self.checkpoint,
            "intervals": self.intervals,
            "commitment": self.commitment,
            "why_fresh": self.why_fresh,
        }


def intervals_digest(intervals: Sequence[Interval]) -> str:
    """Return the digest of a list of intervals: number, steps, processes, and whether it is closed."""
    rows: list[Json] = [
        [each.number, each.start, each.stop, each.closed, *each.streams] for each in intervals
    ]
    return "sha256:" + hashlib.sha256(encode(rows)).hexdigest()


def seed(nonce: bytes, checkpoint: str, run: str, intervals: str) -> bytes:
    """Return the 32 bytes a draw follows from.

    Of the checkpoint, a signed note, only the signed text counts: signatures can be added to a note by
    anybody, and would be as many tries at another draw.

    Raises:
        MalformedError: the checkpoint is none.
    """
    text = checkpoints.read(checkpoint).encode()
    parts = (nonce, text.encode(), run.encode(), intervals.encode())
    return hashlib.sha256(_SEED_DOMAIN + b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def order(count: int, key: bytes) -> tuple[int, ...]:
    """Return the numbers below `count`, shuffled: ascending by SHA-256 of key and number (8 bytes)."""
    return tuple(
        sorted(range(count), key=lambda each: hashlib.sha256(key + each.to_bytes(8, "big")).digest())
    )
