"""An audit from the draw to the ledger entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from veristep import __version__
from veristep.core.canonical import Json, encode
from veristep.core.verdicts import Verdict
from veristep.errors import StorageError
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.replay import audit as audits
from veristep.replay import from_start
from veristep.replay import recorded as records
from veristep.replay.audit import Audit, Auditor, Judged
from veristep.replay.course import Course
from veristep.replay.engines import choose
from veristep.replay.engines.protocol import Options
from veristep.replay.journal import Continued
from veristep.replay.noise.likeness import Likeness
from veristep.replay.plan.intervals import Plan
from veristep.replay.plan.schedule import Schedule
from veristep.replay.pretend.judging import pretend
from veristep.replay.recorded import RecordedRun
from veristep.replay.resuming import Begun
from veristep.replay.room.prepare import RoomOptions, Tell, prepare
from veristep.replay.settle import settle

# Told of every verdict, and of how many there will be as far as is known.
Progress = Callable[[Judged, int], None]


def conduct(
    ledger: Ledger,
    recorded: RecordedRun,
    plan: Plan,
    begun: Begun,
    progress: Progress,
    *,
    engine: str = "local",
    options: Options | None = None,
    likeness: Likeness | None = None,
    room: RoomOptions | None = None,
    tell: Tell = lambda _text: None,
    conditions_budget: float | None = None,
    pretends: int = 0,
) -> Audit:
    """Judge the intervals that the draw and the choice call for, and write the verdict down.

    The draw, the choice and the verdicts stand in the entry, so that anybody can compute again which
    intervals had to be judged. Verdicts are kept as they come: an audit that is interrupted can go on. What
    the replays took as recorded is settled by running the script from its start, if that takes no longer
    than `conditions_budget` seconds (see `settle`). `pretends` intervals are replayed under guises (see
    `pretend.judging`).

    Raises:
        UnavailableError: the engine cannot be used.
        StorageError: the verdict cannot be written down; the audit can go on when it can.
    """
    draw, choice, escalate = begun.draw, begun.choice, begun.escalate
    options = options or Options()
    schedule = Schedule(draw.order(len(plan.intervals)), choice, escalate)
    origin = records.origin(ledger, recorded)
    setting = prepare(ledger, recorded, origin, room or RoomOptions(), tell)
    auditor = Auditor(ledger.objects, recorded, origin, setting)
    if likeness is not None:
        auditor = auditor.under(likeness.variables())
    engine = "inline" if setting.reason else engine
    judged: list[Judged] = []
    verdicts: dict[int, Verdict] = {}
    auditor.limit_seconds = options.time_limit
    with choose.engine(engine, auditor, options) as chosen:
        judging = Continued(chosen, begun.journal) if begun.journal is not None else chosen
        while (each_round := schedule.next_round(verdicts)) is not None:
            expected = len(judged) + len(each_round.numbers)
            intervals = [plan.intervals[number] for number in each_round.numbers]
            options.planned(intervals)
            for each in judging.run(intervals):
                judged.append(each)
                progress(each, expected)
            verdicts = {each.interval.number: each.verdict for each in judged}
        judged = settle(auditor, judged, conditions_budget)
        judged = pretend(auditor, judged, pretends)
        audit = audits.summarise(plan, judged, {**auditor.facts, **judging.facts}, recorded.run)
    course = Course.of(plan, schedule, draw, judged)
    audit = replace(audit, course=course)
    how: dict[str, Json] = {
        "choice": choice.to_json(),
        "escalate": escalate,
        "draw": draw.to_json(),
        **course.to_json(),
    }
    try:
        _write(ledger, recorded, audit, how)
    except StorageError as error:
        raise StorageError(
            f"{audit.result.verdict.value}, but the ledger does not take the verdict: {error.message}",
            hint="make room, then veristep audit --resume: what was judged is not replayed again",
        ) from error
    if begun.journal is not None:
        begun.journal.finish()
    return audit


def conduct_from_start(
    ledger: Ledger,
    recorded: RecordedRun,
    room: RoomOptions | None = None,
    tell: Tell = lambda _text: None,
) -> Audit:
    """Run the whole script again from its start, judge it and write the verdict down."""
    interval = from_start.whole(recorded)
    origin = records.origin(ledger, recorded)
    setting = prepare(ledger, recorded, origin, room or RoomOptions(), tell)
    auditor = Auditor(ledger.objects, recorded, origin, setting)
    if setting.reason:
        judged = Judged(interval, Verdict.UNVERIFIED, setting.reason)
    else:
        judged = from_start.judge(auditor, interval)
    plan = from_start.plan_of(recorded, interval)
    audit = audits.summarise(plan, [judged], auditor.facts, recorded.run, unconditioned=True)
    _write(ledger, recorded, audit, {"choice": {"kind": "from-start"}})
    return audit


def _write(ledger: Ledger, recorded: RecordedRun, audit: Audit, how: dict[str, Json]) -> None:
    project = str(recorded.opened.body.get("project") or "")
    judged: list[Json] = [
        [each.interval.start, each.interval.stop, each.verdict.value, each.reason] for each in audit.judged
    ]
    details: dict[str, Json] = {
        "judged": judged,
        "numbers": [each.interval.number for each in audit.judged],
        "result": audit.result.to_json(),
    }
    body: dict[str, Json] = {
        "verdict": audit.result.verdict.value,
        "reason": audit.result.reason[:1000],
        "coverage": audit.result.coverage.to_json(),
        "objects": {"details": ledger.objects.put(encode(details))},
        "version": __version__,
        **how,
        "room": audit.room,
        "seconds": round(audit.seconds, 3),
    }
    drafts = [Draft("audit.done", body, recorded.run, project)]
    drafts += [
        Draft("finding.raised", finding.to_json(), recorded.run, project)
        for finding in audit.result.findings
    ]
    ledger.append(*drafts)
