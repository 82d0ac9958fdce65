"""The audit of a run: replay intervals, judge each, say what that is worth."""

from __future__ import annotations

import copy
import itertools
import math
import os
import secrets
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veristep.core.canonical import Json
from veristep.core.verdicts import Coverage, Finding, Result, Severity, Suspect, Verdict, combine
from veristep.errors import VeristepError
from veristep.ledger.objects import ObjectStore
from veristep.record import platform_facts
from veristep.replay import causes
from veristep.replay import order as words
from veristep.replay.execute import Execution, execute
from veristep.replay.noise import elsewhere, reading
from veristep.replay.order import Answer, Conditions, Difference, Order
from veristep.replay.orders import stream_order
from veristep.replay.plan.intervals import Interval, Plan, places
from veristep.replay.pretend.varied import Guise, dressed
from veristep.replay.recorded import RecordedRun
from veristep.replay.room.furnish import Origin, Room, furnish
from veristep.replay.room.prepare import for_this_machine
from veristep.replay.room.setting import Setting

if TYPE_CHECKING:
    from veristep.replay.course import Course

# Files that a replay read and no manifest names are named, up to this many.
MAX_UNLISTED = 20
MIN_TIME_LIMIT_SECONDS = 180.0
TIME_LIMIT_FACTOR = 20.0
RULE_DIFFERS = "RPL001"
CIRCUMSTANCE = "circumstance"
# What a step was given is not what the script gives by itself: rules of their own.
_SUMMARIES = {
    "hyperparameter": "step {step} used a hyperparameter the script does not set by itself{where}",
    "batch": "step {step} used a batch the script does not make by itself{where}",
    "noise": "step {step} is further from its replays than rounding explains{where}",
    CIRCUMSTANCE: "step {step} comes out otherwise in other circumstances{where}",
    "rng": "step {step} drew from random states the script does not come to by itself{where}",
}
_RULES = {"hyperparameter": "RPL002", "batch": "RPL003", "rng": "RPL004", CIRCUMSTANCE: "RPL005"}

CAUSES = {
    "entry": "the parameters were changed between the update before and this step",
    "rng": "the random states are not the ones the script draws its way to",
    "batch": "the batch is not the one the loader makes from these random states",
    "hyperparameter": "a hyperparameter is not the one the script sets by itself",
    "gradient": "the gradient is not what this batch, these random states and these parameters give",
    "update": "the update is not what the optimizer makes of this gradient and these hyperparameters",
    CIRCUMSTANCE: "the result depends on what no training should depend on",
    "state": "buffers or optimizer state differ though every compared parameter agreed",
    "noise": "the parameters are further from the replays than rounding explains",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one interval.

    Attributes:
        interval: the interval.
        verdict: what can be said.
        reason: for everything but verified.
        difference: where it first differs, with the stream.
        steps: steps compared and equal, over all processes.
        blocks: blocks on record in them.
        blocks_checked: blocks compared.
        seconds: wall time spent.
        output: the end of what the script printed, when that explains the reason.
        notes: what weakens the comparison without contradicting it.
        conditions: of how many steps the inputs were compared with the script's own.
        suspicions: inputs that are not the script's own where it stood in the replay, with the stream.
        platforms: where it differs, in what the replay rounds otherwise than the run.
        in_noise: steps that were compared within rounding noise only, not bit for bit.
        also: the other streams that differ in the same input of the same step.
    """

    interval: Interval
    verdict: Verdict
    reason: str = ""
    difference: tuple[str, Difference] | None = None
    steps: int = 0
    blocks: int = 0
    blocks_checked: int = 0
    seconds: float = 0.0
    output: str = ""
    notes: tuple[str, ...] = ()
    conditions: Conditions = field(default_factory=dict)
    suspicions: tuple[tuple[str, Difference], ...] = ()
    platforms: tuple[str, ...] = ()
    in_noise: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes:
        result: verdict, coverage, findings.
        judged: per interval.
        total: intervals there were to draw from.
        seconds: wall time.
        room: what the replays ran in.
        course: how the audit of a recorded run went; None where intervals were merely judged.
    """

    result: Result
    judged: tuple[Judged, ...]
    total: int
    seconds: float
    room: dict[str, Json] = field(default_factory=dict)
    course: Course | None = None


class Auditor:
    """Replays intervals of one run.

    Attributes:
        limit_seconds: how long one replay may take; 0 for what follows from the times on record.
        patience: factor on that time, for replays that get only what other work leaves.
    """

    def __init__(self, objects: ObjectStore, run: RecordedRun, origin: Origin, setting: Setting) -> None:
        self._objects = objects
        self._run = run
        self._origin = origin
        self._setting = setting
        self.limit_seconds = 0.0
        self.patience = 1.0
        self._variables: dict[str, str] = {}
        # Whether the thread count and instruction set of replays are chosen already.
        self.settled = False
        self.facts: dict[str, Json] = setting.description.to_json() if setting.description else {}

    @property
    def run(self) -> RecordedRun:
        """The run whose intervals it judges."""
        return self._run

    def under(self, variables: Mapping[str, str]) -> Auditor:
        """Return the same auditor with replays that are started with more variables."""
        other = copy.copy(self)
        other._variables = {**self._variables, **variables}
        other.settled = True
        return other

    @property
    def objects(self) -> ObjectStore:
        """Where the run's objects lie."""
        return self._objects

    @property
    def origin(self) -> Origin:
        """What its rooms are made from."""
        return self._origin

    def elsewhere(self, *, ledger: Path | None = None) -> Auditor:
        """Return the same auditor for another machine: a copy of the ledger, its sandbox and its cache.

        Raises:
            UnavailableError: no sandbox works there, and going on without was not allowed.
        """
        moved = copy.copy(self)
        moved.facts = dict(self.facts)
        if ledger is not None:
            moved._objects = ObjectStore(ledger / self._objects.root.name)
            place = self._run.directory.relative_to(self._objects.root.parent)
            moved._run = replace(self._run, directory=ledger / place)
        moved._setting = for_this_machine(self._setting, distributed=len(self._run.streams) > 1)
        return moved

    def time_limit(self, interval: Interval) -> float:
        """Return how many seconds one replay of an interval may take."""
        return self._time_limit(interval, max(places(self._run, interval), default=0))

    def judge(self, interval: Interval) -> Judged:
        """Replay one interval and say what that shows."""
        if self._setting.reason:
            return Judged(interval, Verdict.UNVERIFIED, self._setting.reason)
        candidates = places(self._run, interval)
        if not candidates:
            reason = "no place near the start of the script is like the interval's start"
            return Judged(interval, Verdict.UNVERIFIED, reason)
        try:
            first = self.replay(interval, candidates[0])
            judged = self.read(interval, first)
            if judged.platforms:
                return elsewhere.judge(self, interval, candidates[0], judged, first)
            if judged.difference is None and interval.start:
                return replace(judged, suspicions=tuple(own_differences(first)))
            if judged.difference is None:
                return self._judge_own(interval, candidates[0], judged, first)
            return self._confirm(interval, candidates, judged, first)
        except VeristepError as error:
            return Judged(interval, Verdict.UNVERIFIED, error.message)

    def _judge_own(self, interval: Interval, warm_up: int, judged: Judged, first: Execution) -> Judged:
        """Look at what the script made otherwise by itself; the same twice is no chance.

        A script without a fixed seed makes other batches each time, and that is no finding.
        """
        own = own_differences(first)
        if judged.verdict is not Verdict.VERIFIED or not own:
            return judged
        second = self.replay(interval, warm_up)
        again = set(map(repr, own_differences(second)))
        seconds = judged.seconds + second.seconds
        same = [each for each in own if repr(each) in again]
        if not same:
            note = "batches or hyperparameters differ from one start of the script to the next"
            return replace(judged, seconds=seconds, notes=(*judged.notes, note))
        found = min(same, key=place_of)
        reason = CAUSES[found[1].what]
        return replace(judged, verdict=Verdict.VIOLATED, reason=reason, difference=found, seconds=seconds)

    def _confirm(
        self, interval: Interval, candidates: list[int], judged: Judged, first: Execution
    ) -> Judged:
        """Replay a differing interval once more, from another warm-up where there is one.

        An honest script that keeps state outside tensors, or draws from the clock, gives another result
        each time; one that was tampered with differs from its record in the same way every time.
        """
        warm_up = candidates[-1]
        assert judged.difference is not None
        second = self.replay(interval, warm_up, measure=judged.difference[1].step)
        again = self.read(interval, second)
        if same_differences(first, second):
            # The same difference, now with how far it goes.
            return replace(judged, difference=again.difference or judged.difference)
        third = self.replay(interval, candidates[0], diagnose=True)
        steady = warm_up != candidates[0] and same_differences(first, third)
        reason = (
            "the script's result depends on state outside its tensors, such as a step counter"
            if steady
            else "the script is not deterministic: two replays of the same steps differ"
        )
        where = f"first at step {judged.difference[1].step}, {judged.difference[1].what}"
        tensors = ", ".join(judged.difference[1].tensors[:1])
        named = _nondeterministic(third.output)
        reason += f" ({where}{': ' + tensors if tensors else ''}{'; ' + named if named else ''})"
        seconds = judged.seconds + again.seconds + third.seconds
        return Judged(interval, Verdict.UNVERIFIED, reason, seconds=seconds, output=third.output)

    def replay(
        self,
        interval: Interval,
        warm_up: int,
        *,
        diagnose: bool = False,
        measure: int = -1,
        jitter: int = 0,
        mode: str = words.INTERVAL,
        guise: Guise | None = None,
    ) -> Execution:
        """Replay an interval once, in a room of its own, in a process that is made to believe a guise."""
        room = furnish(self._objects, self._origin, self._setting)
        try:
            order = self._order(interval, warm_up, room, mode)
            order = replace(order, diagnose=diagnose, measure=measure, jitter=jitter)
            room = replace(room, environment={**room.environment, **self._variables})
            if guise is not None:
                room, order = dressed(room, order, guise)
            self.facts["variables_dropped"] = list(room.dropped)
            limit = self._time_limit(interval, warm_up)
            execution = execute(room, order, self._objects.root, self._setting, limit)
            self._note_unlisted(execution)
            return execution
        finally:
            room.remove()

    def _note_unlisted(self, execution: Execution) -> None:
        """Name what replays read of this machine that no manifest and no copy of the code vouches for."""
        unlisted = sorted(
            path
            for path in execution.read - self._origin.vouched()
            if os.path.isfile(path)  # noqa: PTH113
        )
        if unlisted:
            known = self.facts.get("data_unlisted")
            before = map(str, known) if isinstance(known, (list, tuple)) else ()
            self.facts["data_unlisted"] = sorted({*before, *unlisted})[:MAX_UNLISTED]

    def _order(self, interval: Interval, warm_up: int, room: Room, mode: str) -> Order:
        # Its name cannot be guessed by code that was written before.
        results = room.folder / f"results-{secrets.token_hex(8)}"
        return Order(
            start=interval.start,
            stop=interval.stop,
            warmup=warm_up,
            tape=str(self._run.tape),
            results=str(results),
            streams={
                name: stream_order(self._run, name, interval, warm_up, mode) for name in interval.streams
            },
            writable=[],
            mode=mode,
        )

    def _time_limit(self, interval: Interval, warm_up: int) -> float:
        if self.limit_seconds:
            return self.limit_seconds
        count = interval.stop - interval.start + warm_up
        seconds = TIME_LIMIT_FACTOR * self._step_seconds(interval.streams[0]) * count
        return self.patience * (MIN_TIME_LIMIT_SECONDS + seconds)

    def _step_seconds(self, name: str) -> float:
        stream = self._run.streams[name]
        ends = [stream.steps[step].ended_ns for step in sorted(stream.steps)]
        steps = [(after - before) / 1e9 for before, after in itertools.pairwise(ends)]
        return statistics.median(steps) if steps else 1.0

    def seconds_up_to(self, interval: Interval) -> float:
        """Return how long the run took from its start to the end of an interval."""
        found = []
        for name in interval.streams:
            steps = self._run.streams[name].steps
            if 0 in steps and interval.stop - 1 in steps:
                found.append((steps[interval.stop - 1].ended_ns - steps[0].began_ns) / 1e9)
        return max(found, default=math.inf)

    def read(self, interval: Interval, execution: Execution) -> Judged:
        """Say what one replay shows, before it is confirmed by another."""
        answers = execution.answers
        refused = [each for each in answers.values() if each.status == words.REFUSED]
        if refused:
            return _unverified(interval, refused[0].reason, execution)
        if execution.reason:
            return _unverified(interval, causes.explain(execution.reason, execution.output), execution)
        bad = [each for each in answers.values() if each.status in (words.FAILED, words.ENDED)]
        differing = [
            (name, each.difference) for name, each in answers.items() if each.difference is not None
        ]
        if bad and not differing:
            return _unverified(interval, causes.explain(bad[0].reason, execution.output), execution)
        notes = tuple(note for each in answers.values() for note in each.notes)
        steps = sum(each.steps for each in answers.values())
        blocks = sum(each.blocks for each in answers.values())
        checked = sum(each.blocks_checked for each in answers.values())
        if not differing:
            return Judged(
                interval, Verdict.VERIFIED, "", None, steps, blocks, checked, execution.seconds,
                notes=notes, conditions=added(each.conditions for each in answers.values()),
            )  # fmt: skip
        first = min(differing, key=place_of)
        place = (first[1].step, first[1].what)
        alike = [name for name, each in differing if (each.step, each.what) == place]
        also = tuple(name for name in alike if name != first[0])
        platforms = self._platform_differences(answers, interval)
        if platforms:
            reason = "differs, but so does what decides the last bits: " + "; ".join(platforms)
            return replace(_unverified(interval, reason, execution), platforms=tuple(platforms))
        return Judged(
            interval, Verdict.VIOLATED, CAUSES[first[1].what], first, steps, blocks, checked,
            execution.seconds, execution.output, notes, also=also,
        )  # fmt: skip

    def _platform_differences(self, answers: Any, interval: Interval) -> list[str]:
        found: list[str] = []
        for name in interval.streams:
            answer: Answer | None = answers.get(name)
            if answer is not None and answer.platform:
                recorded = dict(self._run.streams[name].platform)
                found += platform_facts.differences(recorded, dict(answer.platform))
        return sorted(set(found))


def summarise(
    plan: Plan,
    judged: Sequence[Judged],
    facts: dict[str, Json],
    run: str,
    *,
    unconditioned: bool = False,
) -> Audit:
    """Sum up the verdicts on intervals to one on the run, with coverage and findings."""
    # The order in which verdicts come is the engine's; it must not show in what they add up to.
    judged = sorted(judged, key=lambda each: (each.interval.start, each.interval.stop))
    not_checked = dict(plan.not_covered)
    for each in judged:
        if each.verdict is Verdict.UNVERIFIED:
            size = (each.interval.stop - each.interval.start) * len(each.interval.streams)
            not_checked[each.reason] = not_checked.get(each.reason, 0) + size
    clean = [each for each in judged if each.verdict is Verdict.VERIFIED]
    coverage = Coverage(
        steps=plan.steps,
        steps_checked=sum(each.steps for each in judged),
        intervals=len(plan.intervals),
        intervals_checked=len([e for e in judged if e.verdict is not Verdict.UNVERIFIED]),
        blocks=sum(each.blocks for each in clean),
        blocks_checked=sum(each.blocks_checked for each in clean),
        not_checked=not_checked,
        unconditioned=unconditioned and bool(clean),
        conditions=added(each.conditions for each in clean),
        in_noise=sum(each.in_noise for each in clean),
    )
    findings = tuple(finding(each, run) for each in judged if each.difference is not None)
    verdict = combine(each.verdict for each in judged)
    reasons = [each.reason for each in judged if each.verdict is verdict and each.reason]
    reason = reasons[0] if reasons else ""
    if not judged:
        reason = "; ".join(plan.not_covered) or "no optimizer step was recorded"
    if verdict is Verdict.VERIFIED and not unconditioned:
        reason = coverage.given()
    seconds = sum(each.seconds for each in judged)
    result = Result(verdict, coverage, reason, findings)
    return Audit(result, tuple(judged), len(plan.intervals), seconds, facts)


def finding(judged: Judged, run: str) -> Finding:
    """Return the finding for a violated interval."""
    assert judged.difference is not None
    stream, difference = judged.difference
    tensor = difference.tensors[0] if difference.tensors else ""
    where = f", first in {tensor}" if tensor else ""
    evidence = reading.evidence(difference)
    evidence["interval"] = [judged.interval.start, judged.interval.stop]
    evidence["stream"] = stream
    # An average over ranks that is wrong is wrong on all of them, whichever rank spoiled it.
    averaged = difference.what == "gradient" and bool(judged.also)
    if averaged:
        evidence["streams"] = sorted([stream, *judged.also])
    summary = _SUMMARIES.get(difference.what, "step {step} does not replay: {what} differs{where}")
    return Finding(
        rule=_RULES.get(difference.what, RULE_DIFFERS),
        severity=Severity.ERROR,
        summary=summary.format(step=difference.step, what=difference.what, where=where),
        run=run,
        rank=None if averaged else int(stream.partition(".")[0]),
        step=difference.step,
        suspects=(
            Suspect("input", difference.what, "first input of the step that differs on replay"),
            *(Suspect("tensor", name, "its recorded digest differs on replay")
              for name in difference.tensors[:1]),
        ),
        evidence=evidence,
    )  # fmt: skip


def _unverified(interval: Interval, reason: str, execution: Execution) -> Judged:
    return Judged(
        interval,
        Verdict.UNVERIFIED,
        reason,
        seconds=execution.seconds,
        output=execution.output,
    )


def added(conditions: Iterable[Conditions]) -> Conditions:
    """Return the sums of the outcomes of several replays."""
    total: Conditions = {}
    for each in conditions:
        for condition, outcomes in each.items():
            for outcome, count in outcomes.items():
                sums = total.setdefault(condition, {})
                sums[outcome] = sums.get(outcome, 0) + count
    return total


def place_of(found: tuple[str, Difference]) -> tuple[int, int, str]:
    """Return what puts differences, each with its stream, in the order in which a training makes them."""
    stream, difference = found
    return difference.step, list(CAUSES).index(difference.what), stream


def own_differences(execution: Execution) -> list[tuple[str, Difference]]:
    """Return, with its stream, each input that the script made otherwise by itself."""
    return [(name, own) for name, each in execution.answers.items() for own in each.own]


def same_differences(first: Execution, second: Execution) -> bool:
    """Whether two replays differ from the record at the same places with the same results."""
    one = {name: each.difference for name, each in first.answers.items() if each.difference}
    other = {name: each.difference for name, each in second.answers.items() if each.difference}
    return bool(one) and one == other


def _nondeterministic(output: str) -> str:
    for line in output.splitlines():
        if "does not have a deterministic implementation" in line:
            return line.strip()
    return ""
