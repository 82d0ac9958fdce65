"""`veristep audit RUN`: replay parts of a run elsewhere and compare every step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.case.wording import plain
from veristep.cli import audit_outcome, render
from veristep.cli.audit_choice import Asked, choice_options
from veristep.cli.audit_draw import commit, verify_draw
from veristep.cli.audit_follow import follow
from veristep.cli.audit_running import Running, running_options
from veristep.cli.options import json_option, ledger_option, open_ledger, platform_option, room_options
from veristep.cli.sarif import report, sarif_option
from veristep.cli.subcommands import WithSubcommands
from veristep.core.verdicts import SCHEMA, Severity, Verdict
from veristep.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from veristep.core.canonical import Json
    from veristep.replay.audit import Audit
    from veristep.replay.plan.preview import Preview
    from veristep.replay.recorded import RecordedRun
    from veristep.replay.room.prepare import RoomOptions


@click.command("audit", cls=WithSubcommands, subcommands=[commit, verify_draw])
@click.argument("run", default="last")
@ledger_option
@choice_options
@platform_option
@click.option(
    "--conditions-budget",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Time for running the script from its start, to compare its own batches, learning rates and "
    "random states with those the replays took as recorded [default: as long as the replays took].",
)
@click.option(
    "--pretend",
    "pretends",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Replay N intervals again with date, host, user, job and the like varied, to wake dormant code.",
)
@running_options
@room_options
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in Severity]),
    default=Severity.WARNING.value,
    help="Lowest severity that makes the exit status 1 [default: warning].",
)
@json_option
@sarif_option
def command(
    run: str,
    ledger_path: Path | None,
    asked: Asked,
    platform: str | None,
    conditions_budget: float | None,
    pretends: int,
    running: Running,
    room: RoomOptions,
    fail_on: str,
    as_json: bool,
    sarif_path: Path | None,
) -> int:
    """Replay intervals of RUN (an id, its beginning, or "last") and compare every step.

    Without an option, a tenth of the intervals and at least three are drawn at random. A mismatch has the
    intervals around it replayed too. The verdict is written to the ledger, with what the draw rests on.
    """
    from veristep.cli.audit_view import view
    from veristep.replay import recorded as records
    from veristep.replay.conduct import conduct, conduct_from_start
    from veristep.replay.draw import making as drawing
    from veristep.replay.noise.likeness import parse
    from veristep.replay.plan import intervals as plans
    from veristep.replay.plan.preview import measured_seconds, preview
    from veristep.replay.resuming import begin

    likeness = parse(platform) if platform is not None else None
    with report(sarif_path, "audit") as sarif, open_ledger(ledger_path) as ledger:
        run_id = records.find(ledger, run)
        if running.follow:
            return follow(ledger, run_id, asked, running, room, Severity(fail_on), as_json=as_json)
        recorded = records.load(ledger, run_id)
        plan = plans.make_plan(recorded)
        choice = asked.choice(plan)
        if asked.plan_only:
            measured = measured_seconds(ledger, run_id)
            planned = preview(recorded, plan, choice, asked.tampered(), measured)
            return _planned(planned, run_id, as_json=as_json)
        if asked.from_start:
            audit = conduct_from_start(ledger, recorded, room, render.note)
        else:
            draw = drawing.make(ledger, run_id, plan.intervals, asked.key())
            begun = begin(
                ledger,
                recorded,
                draw,
                choice,
                escalate=asked.escalate,
                under={"platform": platform or "", "room": room.to_json()},
                resume=running.resuming(),
            )
            audit_outcome.begun(begun)
            with view(plan.intervals) as seen:
                audit = conduct(
                    ledger,
                    recorded,
                    plan,
                    begun,
                    seen.show,
                    engine=running.engine,
                    options=running.options(seen),
                    likeness=likeness,
                    room=room,
                    tell=render.note,
                    conditions_budget=conditions_budget,
                    pretends=pretends,
                )
        status = audit_outcome.status(audit, Severity(fail_on))
        sarif.result(audit.result, status, run_id, properties={"room": audit.room})
    if as_json:
        course = audit.course.to_json() if audit.course else {}
        render.as_json({**audit.result.to_json(), "run": run_id, **course, "room": audit.room})
    else:
        _print(audit, recorded)
    return status


def _planned(planned: Preview, run: str, *, as_json: bool) -> int:
    if as_json:
        render.as_json({"schema": SCHEMA, "run": run, **planned.to_json()})
    else:
        audit_outcome.plan(planned)
    return int(ExitStatus.CLEAN if planned.reachable and planned.intervals else ExitStatus.INCOMPLETE)


def _print(audit: Audit, recorded: RecordedRun) -> None:
    for each in audit.judged:
        if each.verdict is Verdict.UNVERIFIED:
            span = f"steps {each.interval.start} to {each.interval.stop - 1}"
            render.out(f"{render.verdict(each.verdict)}: {span}: {plain(each.reason)}")
            for line in each.output.strip().splitlines()[-3:]:
                render.out(f"   | {plain(line)}")
    render.result(audit.result)
    if audit.course is not None:
        audit_outcome.course(audit.course, audit.total)
    gaps = len(recorded.gaps)
    if gaps:
        render.out(f"   = gaps: {gaps} in the record; veristep show {recorded.run} lists them")
    _print_room(audit.room)


_LISTS = (
    ("shown", "also shown"),
    ("data_unlisted", "read, and not in the data manifest"),
    ("variables_dropped", "variables left out"),
)


def _print_room(room: Mapping[str, Json]) -> None:
    """Print what the replays ran in, what makes it weaker first."""
    weaker = room.get("weaker")
    for each in weaker if isinstance(weaker, (list, tuple)) else ():
        render.out(f"   = weaker: {plain(each)}")
    for name in ("sandbox", "network", "user", "environment", "python", "code", "data", "writes"):
        if room.get(name):
            render.out(f"   = room: {name}: {plain(room[name])}")
    for name, what in _LISTS:
        values = room.get(name)
        if isinstance(values, (list, tuple)) and values:
            render.out(f"   = room: {what}: {', '.join(plain(each) for each in values)}")
