"""Auditing a run while it trains: `follow.pace` decides, this looks, replays and writes down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from veristep import __version__
from veristep.core.canonical import Json, encode
from veristep.ledger import checkpoints
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.replay import audit as audits
from veristep.replay import recorded as records
from veristep.replay.audit import Audit, Auditor, Judged
from veristep.replay.engines.local import Local
from veristep.replay.engines.protocol import Options
from veristep.replay.follow import pace as following
from veristep.replay.follow.pace import Budget, Delay, Sealed
from veristep.replay.follow.seals import Seals
from veristep.replay.plan import intervals as plans
from veristep.replay.plan.intervals import Interval, Plan
from veristep.replay.recorded import RecordedRun
from veristep.replay.room.prepare import RoomOptions, prepare
from veristep.supervise.launcher import SEAL_SECONDS
from veristep.supervise.recover import recover_lost_runs

# How often the ledger is looked at; less often where reading the run takes more than the share allows.
POLL_SECONDS = 1.0
# What a replay is taken to cost before the first: torch's import, and as much again.
FIRST_COST_SECONDS = 6.0
# The lowest priority, for whoever starts this: a replay gets what training leaves, and about 1.5 % of a
# processor where it leaves nothing.
NICE = 19
# At that priority a replay takes as much longer at worst.
PATIENCE = 50.0


class Watch(Protocol):
    """Is told how the following goes."""

    def judged(self, judged: Judged, budget: Budget, delay: Delay) -> None:
        """An interval was replayed; from now on a finding comes that late."""

    def found(self, judged: Judged, after: float) -> None:
        """A tampered step was found, `after` seconds after it was taken."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What following a run came to.

    Attributes:
        audit: the verdicts, summed up.
        budget: what was spent of what.
        delay: how late a finding came at the end; None when nothing was replayed.
        after: per finding, seconds from the tampered step to it.
        ended: whether the run ended; else the following was interrupted.
    """

    audit: Audit
    budget: Budget
    delay: Delay | None
    after: tuple[float, ...]
    ended: bool

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form of all but the audit."""
        delay = self.delay
        return {
            "share": self.budget.share,
            "spent_seconds": round(self.budget.spent, 3),
            "training_seconds": round(self.budget.training, 3),
            "expected_delay_seconds": round(delay.expected, 1) if delay else None,
            "worst_delay_seconds": round(delay.worst, 1) if delay else None,
            "found_after_seconds": [round(each, 1) for each in self.after],
            "ended": self.ended,
        }


@dataclass(slots=True)
class _State:
    """What is known so far."""

    seals: Seals
    known: set[tuple[int, int]] = field(default_factory=set)
    window: list[Sealed] = field(default_factory=list)
    judged: list[tuple[Judged, Sealed]] = field(default_factory=list)
    facts: dict[str, Json] = field(default_factory=dict)
    spent: float = 0.0
    costs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    delay: Delay | None = None
    pause: float = POLL_SECONDS


def follow(
    ledger: Ledger,
    run: str,
    nonce: bytes,
    watch: Watch,
    *,
    share: float = following.DEFAULT_SHARE,
    memory: int = 0,
    room: RoomOptions | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Followed:
    """Replay intervals of a run as they are sealed, for a share of its compute, until the run ends.

    Findings are written to the ledger when they are found, the rest when it is over.

    Raises:
        TamperedError: the run's record contradicts what was sealed.
        StorageError: the ledger cannot be written.
    """
    recorded = records.load(ledger, run)
    state = _State(Seals(run, recorded.directory / "log"))
    plan = plans.make_plan(recorded)
    budget = _budget(state, recorded, share)
    ended = False
    try:
        while not (ended or stop()):
            ended = recorded.closed is not None or bool(recorded.recovered)
            _look(ledger, recorded, plan, nonce, state)
            budget = _budget(state, recorded, share)
            chosen = following.choose(state.window) if budget.affords else None
            if chosen is not None:
                state.window = []
                judged = _judge(ledger, recorded, chosen, state, memory, room or RoomOptions())
                budget = _budget(state, recorded, share)
                state.delay = _delay(state, recorded, chosen.interval, share)
                watch.judged(judged, budget, state.delay)
                _tell(ledger, recorded, judged, state, watch)
            elif not ended:
                time.sleep(state.pause)
            if not ended:
                began = time.monotonic()
                recover_lost_runs(ledger)
                recorded = records.load(ledger, run)
                plan = plans.make_plan(recorded)
                # Reading a long run's record again is work too: at most half of the share.
                took = time.monotonic() - began
                state.spent += took
                state.pause = max(POLL_SECONDS, 2 * took / (share * _rate(recorded)))
    except KeyboardInterrupt:
        pass
    audit = audits.summarise(plan, [judged for judged, _ in state.judged], state.facts, run)
    followed = Followed(audit, budget, state.delay, tuple(state.after), ended)
    _write(ledger, recorded, followed, state)
    return followed


def _look(ledger: Ledger, recorded: RecordedRun, plan: Plan, nonce: bytes, state: _State) -> None:
    """Put the intervals that have been sealed since the last time into the window."""
    state.seals.read(ledger)
    for interval in plan.intervals:
        place = (interval.start, interval.stop)
        index = state.seals.sealed_by(interval) if interval.closed and place not in state.known else None
        if index is None:
            continue
        state.known.add(place)
        checkpoint = ledger.checkpoint_covering(index)
        text = checkpoints.read(checkpoint).encode()
        ticket = following.ticket(nonce, text, recorded.run, interval)
        state.window.append(Sealed(interval, checkpoint, ticket))


def _judge(
    ledger: Ledger,
    recorded: RecordedRun,
    chosen: Sealed,
    state: _State,
    memory: int,
    room: RoomOptions,
) -> Judged:
    began, before = time.monotonic(), time.process_time()
    origin = records.origin(ledger, recorded)
    setting = prepare(ledger, recorded, origin, room)
    auditor = Auditor(ledger.objects, recorded, origin, setting)
    auditor.patience = PATIENCE
    options = Options(workers=1, memory=memory)
    engine = Local(auditor, options)
    try:
        judged = next(iter(engine.run([chosen.interval])))
    finally:
        engine.close()
        used = engine.processor_seconds + time.process_time() - before
        state.spent += used
    state.costs.append(used)
    state.seconds.append(time.monotonic() - began)
    state.facts = engine.facts
    state.judged.append((judged, chosen))
    return judged


def _tell(ledger: Ledger, recorded: RecordedRun, judged: Judged, state: _State, watch: Watch) -> None:
    """Write a finding down at once."""
    if judged.difference is None:
        return
    stream, difference = judged.difference
    step = recorded.streams[stream].steps.get(difference.step)
    after = (time.time_ns() - step.ended_ns) / 1e9 if step is not None else 0.0
    state.after.append(after)
    finding = audits.finding(judged, recorded.run)
    evidence = {**finding.evidence, "found_after_seconds": round(after, 1)}
    body = replace(finding, evidence=evidence).to_json()
    ledger.append(Draft("finding.raised", body, recorded.run, _project(recorded)))
    watch.found(judged, after)


def _budget(state: _State, recorded: RecordedRun, share: float) -> Budget:
    cost = max(state.costs[-3:], default=FIRST_COST_SECONDS)
    return Budget(share, _elapsed(recorded) * _rate(recorded), state.spent, cost)


def _elapsed(recorded: RecordedRun) -> float:
    """Return the wall time between the first step on record and the last."""
    steps = [step for stream in recorded.streams.values() for step in stream.steps.values()]
    if not steps:
        return 0.0
    return (max(step.ended_ns for step in steps) - min(step.began_ns for step in steps)) / 1e9


def _rate(recorded: RecordedRun) -> float:
    """Return the processors that training was given: its threads, in all its processes."""
    streams = [stream for stream in recorded.streams.values() if stream.steps and not stream.restart]
    return float(max(1, sum(int(stream.platform.get("threads") or 1) for stream in streams)))


def _delay(state: _State, recorded: RecordedRun, interval: Interval, share: float) -> Delay:
    steps = recorded.streams[interval.streams[0]].steps
    lasted = (steps[interval.stop - 1].ended_ns - steps[interval.start].began_ns) / 1e9
    return following.delay(
        share=share,
        rate=_rate(recorded),
        cost=max(state.costs[-3:]),
        # What differs is replayed a second time before it is called a finding.
        seconds=2 * max(state.seconds[-3:]),
        interval=lasted,
        seal=SEAL_SECONDS + state.pause,
    )


def _write(ledger: Ledger, recorded: RecordedRun, followed: Followed, state: _State) -> None:
    result = followed.audit.result
    judged: list[Json] = [
        {
            "start": sealed.interval.start,
            "stop": sealed.interval.stop,
            "checkpoint": sealed.checkpoint,
            "ticket": sealed.ticket.hex(),
            "verdict": each.verdict.value,
            "reason": each.reason,
        }
        for each, sealed in state.judged
    ]
    rows: list[Json] = [
        [each.interval.start, each.interval.stop, each.verdict.value, each.reason]
        for each in followed.audit.judged
    ]
    details: Mapping[str, Json] = {"judged": rows, "followed": judged, "result": result.to_json()}
    body: dict[str, Json] = {
        "verdict": result.verdict.value,
        "reason": result.reason[:1000],
        "coverage": result.coverage.to_json(),
        "objects": {"details": ledger.objects.put(encode(details))},
        "choice": {"kind": "follow", "share": str(followed.budget.share)},
        "version": __version__,
        **followed.to_json(),
        "room": followed.audit.room,
        "seconds": round(followed.audit.seconds, 3),
    }
    ledger.append(Draft("audit.done", body, recorded.run, _project(recorded)))


def _project(recorded: RecordedRun) -> str:
    return str(recorded.opened.body.get("project") or "")
