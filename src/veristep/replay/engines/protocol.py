"""What an engine is, and what it is told."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from veristep.core.canonical import Json
from veristep.core.verdicts import Verdict
from veristep.replay import causes
from veristep.replay.audit import Auditor, Judged
from veristep.replay.plan.intervals import Interval

# How often an interval is tried when the process that judges it dies.
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine is to work.

    Attributes:
        workers: intervals judged at the same time; 0 lets the engine decide.
        memory: bytes all replays together may use; 0 lets the engine decide.
        nice: added to the niceness of the workers, so that they give way to other work.
        time_limit: seconds one replay may take; 0 for what follows from the times on record.
        planned: told which intervals are to be judged next.
        started: told of every interval when its replay begins (again, when it is tried again).
        tick: called about once a second while replays run.
    """

    workers: int = 0
    memory: int = 0
    nice: int = 0
    time_limit: float = 0.0
    planned: Callable[[Sequence[Interval]], None] = lambda _intervals: None
    started: Callable[[Interval], None] = lambda _interval: None
    tick: Callable[[], None] = lambda: None


class Engine(Protocol):
    """Judges intervals of one run; used in a ``with`` block, and by one thread."""

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in, as far as it is known by now."""

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval, in the order in which they are done.

        Whatever happens to a worker is a verdict ``unverified`` with the reason, or tried again.

        Raises:
            UnavailableError: the engine itself cannot be used.
        """

    def close(self) -> None:
        """End every worker, and every replay they have started."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker sends back.

    Attributes:
        judged: the verdict.
        facts: what the replay ran in.
        processor: processor seconds it took, of the worker and of all replays it waited for.
    """

    judged: Judged
    facts: Mapping[str, Json]
    processor: float = 0.0


def judge(auditor: Auditor, interval: Interval) -> Done:
    """Judge an interval; whatever goes wrong is the reason for there being no verdict.

    A worker that ended with a traceback would leave an interval without a word.
    """
    before = _processor_seconds()
    judged = _judge(auditor, interval)
    return Done(judged, dict(auditor.facts), _processor_seconds() - before)


def _judge(auditor: Auditor, interval: Interval) -> Judged:
    try:
        return auditor.judge(interval)
    except MemoryError:
        reason = causes.TOO_LITTLE_MEMORY
    except OSError as error:
        reason = causes.of_error(error)
    except Exception as error:  # noqa: BLE001 - boundary: an interval without a verdict has a reason
        reason = f"the audit itself failed there: {type(error).__name__}: {error}"[:500]
    return unverified(interval, reason)


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def unverified(interval: Interval, reason: str, seconds: float = 0.0) -> Judged:
    """Return what is said of an interval that could not be judged."""
    return Judged(interval, Verdict.UNVERIFIED, reason, seconds=seconds)


def merge(facts: dict[str, Json], more: Mapping[str, Json]) -> None:
    """Add what one replay ran in to what is known; where two differ, both are named.

    The result does not depend on the order: it goes into the verdict.
    """
    for key, value in more.items():
        if key not in facts or facts[key] == value:
            facts[key] = value
        elif isinstance(value, list | tuple):
            known = facts[key]
            both = [*known, *value] if isinstance(known, list | tuple) else list(value)
            facts[key] = sorted({str(each) for each in both})
        else:
            parts = {*str(facts[key]).split(" | "), *str(value).split(" | ")}
            facts[key] = " | ".join(sorted(parts))
