"""Auditing a run that goes on: what may be spent, which sealed interval is next, how late a finding can be.

Pure: time and cost come in as numbers. Every sealed interval gets a ticket, a hash of the auditor's nonce,
the checkpoint that sealed the interval and the interval itself. When the share of compute has paid for one
more replay, the interval with the lowest ticket among those sealed since the last replay is replayed. Who
trains does not know the nonce, so at the time a step is taken every interval of the window is as likely.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from veristep.replay.plan.intervals import Interval

DEFAULT_SHARE = 0.02
_DOMAIN = b"veristep/follow-ticket/v1\n"


@dataclass(frozen=True, slots=True)
class Sealed:
    """An interval whose every step is sealed, and its place in the queue.

    Attributes:
        interval: the interval.
        checkpoint: the first checkpoint that covers its last step, a signed note.
        ticket: 32 bytes nobody can foresee without the nonce.
    """

    interval: Interval
    checkpoint: str
    ticket: bytes


def ticket(nonce: bytes, checkpoint_text: str, run: str, interval: Interval) -> bytes:
    """Return an interval's ticket: SHA-256 over the digests of all it follows from."""
    span = f"{interval.start} {interval.stop} {' '.join(interval.streams)}"
    parts = (nonce, checkpoint_text.encode(), run.encode(), span.encode())
    return hashlib.sha256(_DOMAIN + b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def choose(window: Sequence[Sealed]) -> Sealed | None:
    """Return the interval of a window that is replayed; None for an empty one."""
    return min(window, key=lambda each: each.ticket, default=None)


@dataclass(frozen=True, slots=True)
class Budget:
    """What following a run may take: a share of the processor time that training takes.

    Attributes:
        share: the share, between 0 and 1.
        training: processor seconds that training has had so far.
        spent: processor seconds that replays have taken.
        cost: processor seconds one replay takes, measured, or estimated before the first.
    """

    share: float
    training: float
    spent: float
    cost: float

    @property
    def affords(self) -> bool:
        """Whether one more replay is paid for."""
        return self.spent + self.cost <= self.share * self.training

    @property
    def used(self) -> float:
        """The share that has been used."""
        return self.spent / self.training if self.training > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Delay:
    """How long from a tampered step to its finding, for sabotage that goes on once it has begun.

    Attributes:
        expected: seconds, on average, with sealing as slow as it may be.
        worst: seconds, at most, as long as replays take what they took and a processor runs them.
    """

    expected: float
    worst: float


def delay(*, share: float, rate: float, cost: float, seconds: float, interval: float, seal: float) -> Delay:
    """Return how late a finding comes.

    A replay is paid for every ``cost / (share * rate)`` seconds. The first replay after the sabotage began
    may still fall on an honest interval of its window; every interval of the next window is tampered with.

    Args:
        share: of training's processor time.
        rate: processor seconds that training takes per second.
        cost: processor seconds of one replay that finds something.
        seconds: wall time of such a replay.
        interval: wall time of an interval's steps.
        seal: the longest time until the steps of an interval are sealed and seen.
    """
    period = max(cost / (share * rate), seconds)
    wait = seal + seconds
    # Where in a window the sabotage begins is a matter of chance, and as much of that window is tampered
    # with as is left of it. The mean over both is one period: 1/3 (found at once) + 1/6 + 1/2 (found next).
    return Delay(expected=interval / 2 + wait + period, worst=interval + wait + 2 * period)
