"""Runs as the ledger's entries tell them, without opening a single run log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from veristep.case.wording import duration, plain, signal_name
from veristep.core.verdicts import Coverage, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from veristep.ledger.entries import Entry
    from veristep.ledger.log import Ledger

# A supervisor seals at least every 10 s, a quiet run's heartbeat included.
SILENCE_NS = 3 * 10 * 10**9
_DAY_NS = 86_400 * 10**9
# Above this many entries the last one is searched for, not walked to.
_WALK = 512
_SIGNAL_STATUS = 128


class State(StrEnum):
    """What has become of a run."""

    FINISHED = "finished"
    FAILED = "failed"
    KILLED = "killed"
    RUNNING = "running"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Standing:
    """A run's state, in words, and the entry that says so."""

    state: State
    words: str
    evidence: str


@dataclass(frozen=True, slots=True)
class AuditMark:
    """What the ledger says of one audit.

    Attributes:
        index: its entry.
        time_ns: when it was written down.
        verdict: what it came to.
        reason: why, when that is not `verified`.
        coverage: how much it rests on.
        details: name of the object with the verdict per interval.
        seconds: wall time of the replays.
        actor: id of the key that wrote it.
        room: what the replays ran in, in words.
    """

    index: int
    time_ns: int
    verdict: Verdict
    reason: str
    coverage: Coverage
    details: str
    seconds: float
    actor: str
    room: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RunOverview:
    """One run at a glance.

    Attributes:
        started_ns: when it was opened.
        ended_ns: when it was closed; None while nobody closed it.
        heard_ns: the last time the ledger heard of it.
        until_ns: its end; now while it runs; the last time it was heard of when it is lost.
        steps: per training process.
        gaps: places in the record where something is missing or was refused.
        audits: in the order they were made.
    """

    run: str
    project: str
    opened: Entry
    closed: Entry | None
    started_ns: int
    ended_ns: int | None
    heard_ns: int
    until_ns: int
    steps: Mapping[str, int]
    gaps: int
    standing: Standing
    audits: tuple[AuditMark, ...]

    @property
    def total_steps(self) -> int:
        """Step records over all processes."""
        return sum(self.steps.values())

    @property
    def seconds(self) -> float:
        """How long it ran, or has been running, as far as is known."""
        return (self.until_ns - self.started_ns) / 1e9

    def duration_in_words(self) -> str:
        """Return how long it ran; of a lost run only the least is known."""
        least = "at least " if self.standing.state is State.LOST else ""
        return least + duration(self.seconds)

    @property
    def violated_before(self) -> bool:
        """Whether an audit before the last one found the run violated."""
        return any(audit.verdict is Verdict.VIOLATED for audit in self.audits[:-1])

    def steps_in_words(self) -> str:
        """Return the steps and on how many ranks they were taken."""
        counts = list(self.steps.values())
        if len(counts) < 2:
            return str(sum(counts))
        if len(set(counts)) == 1:
            return f"{counts[0]} x {len(counts)} ranks"
        return f"{sum(counts)} on {len(counts)} ranks"

    def audit_in_words(self) -> str:
        """Return what the last audit came to, and whether an earlier one said worse."""
        if not self.audits:
            return "not audited"
        last = self.audits[-1]
        text = f"{last.verdict.value} {last.coverage.intervals_checked}/{last.coverage.intervals}"
        if self.violated_before and last.verdict is not Verdict.VIOLATED:
            text += " (violated before)"
        return text


def overviews(ledger: Ledger, now_ns: int) -> list[RunOverview]:
    """Return all runs, in the order they were opened.

    Raises:
        VeristepError: an entry is damaged or was changed.
    """
    closed = {entry.run: entry for entry in ledger.entries(kind="run.closed")}
    recovered = {entry.run: entry for entry in ledger.entries(kind="run.recovered")}
    audits: dict[str, list[Entry]] = {}
    for entry in ledger.entries(kind="audit.done"):
        audits.setdefault(entry.run, []).append(entry)
    found = []
    for opened in ledger.entries(kind="run.opened"):
        run = opened.run
        end = closed.get(run)
        last = None if end else recovered.get(run) or last_entry(ledger, run, "segment.sealed")
        found.append(_overview(opened, end, last, audits.get(run, ()), now_ns))
    return found


def overview(ledger: Ledger, run: str, now_ns: int) -> RunOverview:
    """Return one run, which the ledger has to know.

    Raises:
        VeristepError: an entry is damaged or was changed.
    """
    opened = next(iter(ledger.entries(run=run, kind="run.opened")))
    closed = next(iter(ledger.entries(run=run, kind="run.closed")), None)
    last = None
    if closed is None:
        last = last_entry(ledger, run, "run.recovered") or last_entry(ledger, run, "segment.sealed")
    return _overview(opened, closed, last, ledger.entries(run=run, kind="audit.done"), now_ns)


def last_entry(ledger: Ledger, run: str, kind: str) -> Entry | None:
    """Return the last entry of one kind that a run has.

    A run of a week has tens of thousands of segments: beyond the first few hundred the last one is
    found by halving.
    """
    last: Entry | None = None
    for count, entry in enumerate(ledger.entries(run=run, kind=kind), 1):
        last = entry
        if count >= _WALK:
            break
    else:
        return last
    low, high = last.index, ledger.size()
    while high - low > 1:
        middle = (low + high) // 2
        after = next(iter(ledger.entries(run=run, kind=kind, since=middle)), None)
        if after is None:
            high = middle
        else:
            last, low = after, max(middle, after.index)
    return last


def _overview(
    opened: Entry, closed: Entry | None, last: Entry | None, audits: Iterable[Entry], now_ns: int
) -> RunOverview:
    source = closed or last
    body: Mapping[str, Any] = source.body if source else {}
    steps = body.get("steps")
    heard = max(entry.time_ns for entry in (opened, closed, last) if entry is not None)
    ended = (whole(closed.body.get("ended_ns")) or closed.time_ns) if closed else None
    standing = _closed_standing(closed) if closed else _open_standing(last or opened, now_ns)
    running = standing.state is State.RUNNING
    return RunOverview(
        run=opened.run,
        project=plain(opened.body.get("project")),
        opened=opened,
        closed=closed,
        started_ns=whole(opened.body.get("started_ns")) or opened.time_ns,
        ended_ns=ended,
        heard_ns=heard,
        until_ns=ended or (now_ns if running else heard),
        steps={str(k): whole(v) for k, v in steps.items()} if isinstance(steps, Mapping) else {},
        gaps=whole(body.get("gaps")) + whole(body.get("refused")),
        standing=standing,
        audits=tuple(audit_mark(entry) for entry in audits),
    )


def _closed_standing(closed: Entry) -> Standing:
    evidence = f"run.closed, entry {closed.index}"
    status = closed.body.get("returncode")
    if not isinstance(status, int):
        return Standing(State.FAILED, "failed (status not recorded)", evidence)
    if status == 0:
        return Standing(State.FINISHED, "finished", evidence)
    if status < 0:
        return Standing(State.KILLED, f"killed ({signal_name(-status)})", evidence)
    # A shell or launcher in between reports its child's signal this way.
    like = f", as of {signal_name(status - _SIGNAL_STATUS)}" if status > _SIGNAL_STATUS else ""
    return Standing(State.FAILED, f"failed (status {status}{like})", evidence)


def _open_standing(last: Entry, now_ns: int) -> Standing:
    if last.kind == "run.recovered":
        words = "lost (its supervisor ended before it; the rest was sealed late)"
        return Standing(State.LOST, words, f"run.recovered, entry {last.index}")
    age = now_ns - last.time_ns
    what = f"{last.kind}, entry {last.index}"
    if age < SILENCE_NS:
        ago = duration(max(age, 0) / 1e9)
        return Standing(State.RUNNING, "running", f"{what}, {ago} ago")
    form = "%H:%M:%S" if age < _DAY_NS else "%Y-%m-%d %H:%M:%S"
    heard = datetime.fromtimestamp(last.time_ns / 1e9, UTC).strftime(form)
    words = f"lost (last heard of {heard})"
    return Standing(State.LOST, words, f"nothing since {what}; a run that ends is closed")


def audit_mark(entry: Entry) -> AuditMark:
    """Return what an ``audit.done`` entry says."""
    body: Mapping[str, Any] = entry.body
    seconds = body.get("seconds")
    objects = body.get("objects")
    return AuditMark(
        index=entry.index,
        time_ns=entry.time_ns,
        verdict=as_verdict(body.get("verdict")),
        reason=plain(body.get("reason")),
        coverage=coverage(body.get("coverage")),
        details=str(objects.get("details") or "") if isinstance(objects, Mapping) else "",
        seconds=float(seconds) if isinstance(seconds, (int, float)) else 0.0,
        actor=entry.actor,
        room=_room(body.get("room")),
    )


def _room(value: object) -> tuple[tuple[str, str], ...]:
    facts = value if isinstance(value, Mapping) else {}
    return tuple((plain(name), plain(fact)) for name, fact in facts.items() if fact)


def as_verdict(value: object) -> Verdict:
    """Return a recorded verdict; one this version does not know is no verification."""
    try:
        return Verdict(str(value))
    except ValueError:
        return Verdict.UNVERIFIED


def coverage(value: object) -> Coverage:
    """Return a recorded coverage; counts that are missing are zero."""
    counts: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    reasons = counts.get("not_checked")
    not_checked = reasons if isinstance(reasons, Mapping) else {}
    return Coverage(
        steps=whole(counts.get("steps")),
        steps_checked=whole(counts.get("steps_checked")),
        intervals=whole(counts.get("intervals")),
        intervals_checked=whole(counts.get("intervals_checked")),
        blocks=whole(counts.get("blocks")),
        blocks_checked=whole(counts.get("blocks_checked")),
        not_checked={plain(reason): whole(count) for reason, count in not_checked.items()},
        unconditioned=counts.get("unconditioned") is True,
        conditions=_conditions(counts.get("conditions")),
        in_noise=whole(counts.get("in_noise")),
    )


def _conditions(value: object) -> dict[str, dict[str, int]]:
    named = value if isinstance(value, Mapping) else {}
    return {
        plain(condition): {plain(outcome): whole(count) for outcome, count in outcomes.items()}
        for condition, outcomes in named.items()
        if isinstance(outcomes, Mapping)
    }


def whole(value: object) -> int:
    """Return a recorded count; 0 for anything that is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
