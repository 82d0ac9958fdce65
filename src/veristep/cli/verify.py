"""`veristep verify FILE`: whether a file is what a recorded run wrote, and at which step."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.cli.sarif import report, sarif_option
from veristep.core.verdicts import Verdict
from veristep.errors import ExitStatus

if TYPE_CHECKING:
    from veristep.case.origin import Traced
    from veristep.core.verdicts import Finding

_STATUS = {
    Verdict.VERIFIED: ExitStatus.CLEAN,
    Verdict.VIOLATED: ExitStatus.FINDINGS,
    Verdict.UNVERIFIED: ExitStatus.INCOMPLETE,
    Verdict.NOT_COVERED: ExitStatus.INCOMPLETE,
}


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@ledger_option
@json_option
@sarif_option
def command(file: Path, ledger_path: Path | None, as_json: bool, sarif_path: Path | None) -> int:
    """Say whether FILE is what a recorded run wrote, at which step, and whether it changed since.

    Exit status 0 when it is, 1 when it was changed, 3 when the record does not know it.
    """
    from veristep.case.origin import trace

    with report(sarif_path, "verify") as sarif, open_ledger(ledger_path) as ledger:
        traced = trace(ledger, file, time.time_ns())
        status = int(_STATUS[traced.result.verdict])
        subject, uri = traced.file.sha256, Path(traced.file.path).absolute().as_uri()
        sarif.result(traced.result, status, subject, uri=uri)
    if as_json:
        render.as_json(_to_json(traced))
    else:
        _print(traced)
    return status


def _print(traced: Traced) -> None:
    from veristep.case.wording import plain

    file, result = traced.file, traced.result
    for finding in result.findings:
        _print_finding(finding)
    reason = f": {result.reason}" if result.reason and not result.findings else ""
    render.out(f"{render.verdict(result.verdict)}{reason}")
    render.out(f"   = file: {plain(file.path)}, {render.size(file.size)}, sha256 {file.sha256}")
    _print_writing(traced)
    if result.verdict is Verdict.NOT_COVERED:
        render.out("   = hint: veristep runs lists what is recorded; --ledger names another ledger")


def _print_writing(traced: Traced) -> None:
    from veristep.case.origin import audit_in_words
    from veristep.case.wording import plain

    artifact, run = traced.artifact, traced.run
    if artifact is None or run is None:
        return
    verified = traced.result.verdict is Verdict.VERIFIED
    render.out(
        f"   = {'written' if verified else 'last recorded writing'}: by run {run.run}, "
        f"rank {artifact.stream}, after {artifact.step} steps, "
        f"{render.when(artifact.time_ns)} UTC (entry {artifact.index})"
    )
    if artifact.path not in (traced.file.path, traced.file.also_known_as):
        render.out(f"   = moved: the run wrote it to {plain(artifact.path)}")
    if verified and traced.elsewhere:
        render.out(f"   = also: {traced.elsewhere} other recorded writings have this content")
    render.out(f"   = run: {run.standing.words}; {audit_in_words(run)}")
    if not run.audits:
        render.out(f"   = hint: veristep audit {run.run}")


def _print_finding(finding: Finding) -> None:
    head = render.styled(f"error[{finding.rule}]", "red", stream=sys.stdout)
    evidence = finding.evidence
    render.out(f"{head}: {finding.summary}")
    render.out(f"  --> run {finding.run} / rank {finding.rank} / step {finding.step}")
    render.out(f"   | expected  sha256 {evidence['expected']}, {evidence['expected_size']} bytes")
    render.out(f"   | got       sha256 {evidence['got']}, {evidence['size']} bytes")
    for suspect in finding.suspects[1:]:
        render.out(f"   | {suspect.what:<9} {suspect.value} ({suspect.how_known})")
    changed = evidence.get("mtime_ns")
    if isinstance(changed, int):
        when = render.when(changed)
        render.out(f"   | modified  {when} UTC, by the file's own word")
    render.out("   = docs: docs/rules/FILE001.md")


def _to_json(traced: Traced) -> dict[str, Any]:
    from veristep.case.origin import audit_in_words

    file, artifact, run = traced.file, traced.artifact, traced.run
    return {
        **traced.result.to_json(),
        "file": {
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256,
            "mtime_ns": file.mtime_ns,
        },
        "written": artifact.to_json() if artifact else None,
        "also_written": traced.elsewhere,
        "run": {
            "run": run.run,
            "state": run.standing.state.value,
            "audits": len(run.audits),
            "audit": audit_in_words(run),
        }
        if run
        else None,
    }
