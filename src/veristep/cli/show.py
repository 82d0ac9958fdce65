"""`veristep show RUN`: one run, as its record tells it."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.errors import ExitStatus, VeristepError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from veristep.case.facts import Artifact, StreamFacts
    from veristep.case.overview import AuditMark, RunOverview
    from veristep.case.subject import Subject

_LISTED = 20


@click.command("show")
@click.argument("run", default="last")
@ledger_option
@json_option
def command(run: str, ledger_path: Path | None, as_json: bool) -> int:
    """Show RUN (an id, its beginning, or "last"): steps, gaps, checkpoints, findings, audits.

    Exit status 1 when its log is not what was sealed; what the ledger says is shown all the same.
    """
    from veristep.case import subject as subjects
    from veristep.replay import recorded as records
    from veristep.supervise import holding

    with open_ledger(ledger_path) as ledger:
        subject = subjects.read(ledger, records.find(ledger, run), time.time_ns())
        held = holding.pause_of(ledger, subject.overview.run)
    if as_json:
        since = {"rule": held.body.get("rule"), "time_ns": held.time_ns} if held else None
        render.as_json({**_to_json(subject), "held": since})
    else:
        _print(subject)
        if held is not None:
            words = f"{render.when(held.time_ns)} UTC by the policy, for {held.body.get('rule')}"
            render.out(f"{'held':<10} since {words}; veristep resume {subject.overview.run}")
    if subject.error is None:
        return int(ExitStatus.CLEAN)
    if not as_json:
        sys.stdout.flush()
        render.error(_plain(subject.error))
    return int(subject.error.exit_status)


def _plain(error: VeristepError) -> VeristepError:
    from veristep.case.wording import plain

    error.message = plain(error.message)
    error.hint = error.hint or ("compare it with a copy; what the ledger's own entries say is not affected")
    return error


def _print(subject: Subject) -> None:
    for name, value in header(subject).items():
        render.out(f"{name:<10} {value}")
    _print_steps(subject)
    _section("gaps", list(subject.gaps), "none")
    _print_artifacts(list(subject.artifacts))
    _section("signals", [f"{render.when(s.time_ns)}  {s.in_words()}" for s in subject.signals], "")
    _section("checks", [each.in_words() for each in subject.checks], "")
    _print_findings(subject)
    _print_audits(subject)


def header(subject: Subject) -> dict[str, str]:
    """Return the lines at the top: what ran, where, and what has become of it."""
    from veristep.case.wording import plain

    view = subject.overview
    body: Mapping[str, Any] = view.opened.body
    software = subject.software
    lines = {
        "run": view.run,
        "project": view.project,
        "state": f"{view.standing.words}  ({view.standing.evidence})",
        "started": f"{render.when(view.started_ns)} UTC, {view.duration_in_words()}",
        "command": plain(body.get("command")),
        "folder": plain(body.get("cwd")),
        "code": subject.code,
        "host": f"{plain(body.get('host'))}, user {plain(body.get('user'))}",
    }
    if software:
        device = software["device"] + (f" {software['cuda']}" if software["cuda"] else "")
        lines["software"] = f"python {software['python']}, torch {software['torch']} on {device}"
    return lines


def _print_steps(subject: Subject) -> None:
    from veristep.case.overview import whole

    view = subject.overview
    unsealed = subject.unsealed_lines
    more = f", {unsealed} lines of the log not sealed yet" if unsealed else ""
    render.out(f"{'steps':<10} {view.steps_in_words()}{more}")
    for each in subject.streams:
        render.out(f"  rank {each.stream:<5} {_rate(each)}")
    asked = whole(view.opened.body.get("interval"))
    wanted = f"every {asked} steps" if asked else "as often as their measured cost allowed"
    if subject.streams:
        count = sum(each.snapshots for each in subject.streams)
        render.out(f"{'snapshots':<10} {count}, {wanted}")


def _rate(stream: StreamFacts) -> str:
    from veristep.case.wording import duration

    parts = [f"{stream.steps} steps"]
    if stream.steps_per_second is not None and stream.median_step_seconds is not None:
        parts.append(f"{stream.steps_per_second:.3g} per second")
        parts.append(f"median {duration(stream.median_step_seconds)}")
    spacing = f", {stream.spacing} steps apart" if stream.spacing else ""
    parts.append(f"{stream.snapshots} snapshots{spacing}")
    return ", ".join(parts)


def _section(name: str, lines: list[str], nothing: str) -> None:
    if lines or nothing:
        render.out(f"{name:<10} {len(lines) if lines else nothing}")
    for line in lines[:_LISTED]:
        render.out(f"  {line}")
    if len(lines) > _LISTED:
        render.out(f"  and {len(lines) - _LISTED} more; --json lists all")


def _print_artifacts(found: list[Artifact]) -> None:
    from veristep.case.facts import DIGEST_PREFIX
    from veristep.case.wording import plain

    render.out(f"{'files':<10} {f'{len(found)} written' if found else 'none written'}")
    if len(found) > _LISTED:
        render.out(f"  the last {_LISTED}; --json lists all")
    rows = [
        [f"  {a.step}", a.stream, render.size(a.size), a.sha256[:DIGEST_PREFIX], plain(a.path)]
        for a in found[-_LISTED:]
    ]
    if rows:
        render.table(["  step", "rank", "size", "sha256", "path"], rows)


def _print_findings(subject: Subject) -> None:
    render.out(f"{'findings':<10} {len(subject.findings) or 'none'}")
    for each in subject.findings[-_LISTED:]:
        render.finding(each)


def _print_audits(subject: Subject) -> None:
    audits = subject.overview.audits
    if not audits:
        render.out(f"{'audits':<10} none; veristep audit {subject.overview.run} makes one")
        return
    render.out(f"{'audits':<10} {len(audits)}")
    for audit in audits[-_LISTED:]:
        render.out(f"  {_audit(audit)}")
    if subject.overview.violated_before:
        words = "an earlier audit found this run violated; a later clean one does not undo that"
        render.out(f"  {render.styled(words, 'red', stream=sys.stdout)}")


def _audit(audit: AuditMark) -> str:
    coverage = audit.coverage
    reason = f": {audit.reason}" if audit.reason else ""
    return (
        f"{render.when(audit.time_ns)}  {render.verdict(audit.verdict)}{reason}, "
        f"{coverage.intervals_checked} of {coverage.intervals} intervals, "
        f"{coverage.steps_checked} of {coverage.steps} steps (entry {audit.index})"
    )


def _to_json(subject: Subject) -> dict[str, Any]:
    from veristep.core.verdicts import SCHEMA

    error = subject.error
    return {
        "schema": SCHEMA,
        **_overview(subject.overview),
        "code": subject.code,
        "software": dict(subject.software or {}),
        "streams": [asdict(each) for each in subject.streams],
        "unsealed_lines": subject.unsealed_lines,
        "gaps": list(subject.gaps),
        "artifacts": [each.to_json() for each in subject.artifacts],
        "signals": [asdict(each) for each in subject.signals],
        "checks": [
            {"check": each.check, "what": each.what, **each.tally.to_json()} for each in subject.checks
        ],
        "findings": [each.to_json() for each in subject.findings],
        "error": {"code": error.code, "message": error.message} if error else None,
    }


def _overview(view: RunOverview) -> dict[str, Any]:
    body: Mapping[str, Any] = view.opened.body
    described = ("command", "cwd", "repository", "host", "user", "hardware", "interval", "digests")
    return {
        "run": view.run,
        "project": view.project,
        "state": view.standing.state.value,
        "state_words": view.standing.words,
        "evidence": view.standing.evidence,
        "started_ns": view.started_ns,
        "ended_ns": view.ended_ns,
        "heard_ns": view.heard_ns,
        "steps": dict(view.steps),
        "gaps_counted": view.gaps,
        **{name: body.get(name) for name in described},
        "audits": [
            {**asdict(audit), "verdict": audit.verdict.value, "coverage": audit.coverage.to_json()}
            for audit in view.audits
        ],
    }
