"""`veristep runs`: the recorded runs, and what has become of each."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from veristep.case.overview import RunOverview

DEFAULT_LIMIT = 50
_HEADER = ("run", "project", "state", "started", "duration", "steps", "gaps", "last audit")


@click.command("runs")
@ledger_option
@click.option("--project", default="", help="Only the runs of this project.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LIMIT,
    help="List the last so many; 0 lists all [default: 50].",
)
@json_option
def command(ledger_path: Path | None, project: str, limit: int, as_json: bool) -> int:
    """List recorded runs, the last one at the end.

    A run nobody closed is running while its supervisor is heard of at least every 30 seconds, and
    lost afterwards.
    """
    from veristep.case.overview import overviews
    from veristep.core.verdicts import SCHEMA

    with open_ledger(ledger_path) as ledger:
        found = overviews(ledger, time.time_ns())
        where = ledger.path
    chosen = [each for each in found if not project or each.project == project]
    shown = chosen[-limit:] if limit else chosen
    if as_json:
        runs = [_to_json(each) for each in shown]
        render.as_json({"schema": SCHEMA, "total": len(chosen), "runs": runs})
        return 0
    if not chosen:
        what = f"no runs of project {project!r}" if project else "no runs yet"
        render.note(f"{what} in {where}; record one: veristep run -- COMMAND")
        return 0
    render.table(_HEADER, [_row(each) for each in shown])
    if len(shown) < len(chosen):
        render.note(f"{len(chosen) - len(shown)} earlier runs are not shown; --limit 0 lists all")
    return 0


def _row(run: RunOverview) -> list[str]:
    return [
        run.run,
        run.project,
        run.standing.words,
        render.when(run.started_ns),
        run.duration_in_words(),
        run.steps_in_words(),
        str(run.gaps),
        _audit(run),
    ]


def _audit(run: RunOverview) -> str:
    from veristep.core.verdicts import Verdict

    text = run.audit_in_words()
    # The last column: colour codes cannot push anything out of line.
    if Verdict.VIOLATED.value in text:
        return render.styled(text, "red", stream=sys.stdout)
    return text


def _to_json(run: RunOverview) -> dict[str, Any]:
    last = run.audits[-1] if run.audits else None
    return {
        "run": run.run,
        "project": run.project,
        "state": run.standing.state.value,
        "state_words": run.standing.words,
        "evidence": run.standing.evidence,
        "started_ns": run.started_ns,
        "ended_ns": run.ended_ns,
        "heard_ns": run.heard_ns,
        "steps": dict(run.steps),
        "gaps": run.gaps,
        "audits": len(run.audits),
        "violated_before": run.violated_before,
        "last_audit": {
            "verdict": last.verdict.value,
            "time_ns": last.time_ns,
            "coverage": last.coverage.to_json(),
        }
        if last
        else None,
    }
