"""`veristep audit RUN`: replay parts of a run elsewhere and compare every step."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.case.wording import plain
from veristep.cli import render
from veristep.cli.options import engine_options, json_option, ledger_option, open_ledger
from veristep.cli.sarif import report, sarif_option
from veristep.core.verdicts import Severity, Verdict
from veristep.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from veristep.replay.audit import Audit
    from veristep.replay.plan import Interval, Plan
    from veristep.replay.recorded import RecordedRun


@click.command("audit")
@click.argument("run", default="last")
@ledger_option
@click.option("--all", "everything", is_flag=True, help="Replay every interval.")
@click.option("--intervals", type=click.IntRange(min=1), help="Replay this many, drawn at random.")
@click.option("--coverage", type=click.FloatRange(0, 1, min_open=True), help="Replay this share.")
@click.option("--steps", metavar="A:B", help="Replay the intervals that hold these steps.")
@click.option(
    "--from-start",
    is_flag=True,
    help="Run the whole script again, with nothing taken as recorded: no tape, no snapshots.",
)
@engine_options
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
    everything: bool,
    intervals: int | None,
    coverage: float | None,
    steps: str | None,
    from_start: bool,
    engine: str,
    workers: int | None,
    memory: int | None,
    fail_on: str,
    as_json: bool,
    sarif_path: Path | None,
) -> int:
    """Replay intervals of RUN (an id, its beginning, or "last") and compare every step.

    Without an option, a tenth of the intervals and at least three are drawn at random. The verdict is
    written to the ledger.
    """
    from veristep.cli.audit_view import Lines
    from veristep.replay import plan as plans
    from veristep.replay import recorded as records
    from veristep.replay.conduct import conduct, conduct_from_start
    from veristep.replay.engines.protocol import Options

    chosen = (everything, intervals, coverage, steps, from_start)
    if sum(each is not None and each is not False for each in chosen) > 1:
        raise UsageError("--all, --intervals, --coverage, --steps and --from-start exclude each other")
    with report(sarif_path, "audit") as sarif, open_ledger(ledger_path) as ledger:
        run_id = records.find(ledger, run)
        recorded = records.load(ledger, run_id)
        if from_start:
            audit = conduct_from_start(ledger, recorded)
        else:
            plan = plans.make_plan(recorded)
            choice = _choice(plan, everything, intervals, coverage, steps)
            options = Options(workers=workers or 0, memory=memory or 0)
            nonce = secrets.token_bytes(32)
            audit = conduct(ledger, recorded, plan, choice, Lines().show, nonce, engine, options)
        status = _status(audit, Severity(fail_on))
        sarif.result(audit.result, status, run_id, properties={"room": audit.room})
    if as_json:
        render.as_json({**audit.result.to_json(), "run": run_id, "risk": _risk(audit)})
    else:
        _print(audit, recorded)
    return status


def _choice(
    plan: Plan,
    everything: bool,
    intervals: int | None,
    coverage: float | None,
    steps: str | None,
) -> int | list[Interval]:
    from veristep.replay import plan as plans

    total = len(plan.intervals)
    if steps is not None:
        return plans.containing(plan.intervals, steps)
    if everything:
        return total
    if intervals is not None:
        return min(total, intervals)
    if coverage is not None:
        return min(total, max(1, round(total * coverage)))
    return plans.default_count(total)


def _print(audit: Audit, recorded: RecordedRun) -> None:
    for each in audit.judged:
        if each.verdict is Verdict.UNVERIFIED:
            span = f"steps {each.interval.start} to {each.interval.stop - 1}"
            render.out(f"{render.verdict(each.verdict)}: {span}: {plain(each.reason)}")
            for line in each.output.strip().splitlines()[-3:]:
                render.out(f"   | {plain(line)}")
    render.result(audit.result)
    for tampered, chance in () if audit.result.coverage.unconditioned else audit.bounds():
        what = "1 interval" if tampered == 1 else f"{tampered} intervals"
        tampered_with = f"had {what} of {audit.total} been tampered with"
        render.out(f"   = risk: {tampered_with}, the chance of missing it all was {100 * chance:.3g} %")
    gaps = len(recorded.gaps)
    if gaps:
        render.out(f"   = gaps: {gaps} in the record; veristep show {recorded.run} lists them")
    room = ", ".join(f"{key}: {value}" for key, value in audit.room.items() if value)
    render.out(f"   = room: {room}")


def _risk(audit: Audit) -> list[dict[str, float]]:
    return [{"tampered_intervals": m, "chance_missed": chance} for m, chance in audit.bounds()]


def _status(audit: Audit, fail_on: Severity) -> int:
    ranks = list(Severity)
    worst = [each for each in audit.result.findings if ranks.index(each.severity) >= ranks.index(fail_on)]
    if worst:
        return int(ExitStatus.FINDINGS)
    if any(each.verdict is not Verdict.VERIFIED for each in audit.judged) or not audit.judged:
        return int(ExitStatus.INCOMPLETE)
    return int(ExitStatus.CLEAN)
