"""`veristep verify PATH`: whether a file, or all of a folder, is what recorded runs wrote."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veristep.cli import render
from veristep.cli.checked import fail_on_option, tell
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.cli.sarif import Report, report, sarif_option
from veristep.core.verdicts import Severity, Verdict
from veristep.errors import ExitStatus

if TYPE_CHECKING:
    from veristep.case.origin import Traced
    from veristep.core.verdicts import Finding
    from veristep.ledger.log import Ledger

_STATUS = {
    Verdict.VERIFIED: ExitStatus.CLEAN,
    Verdict.VIOLATED: ExitStatus.FINDINGS,
    Verdict.UNVERIFIED: ExitStatus.INCOMPLETE,
    Verdict.NOT_COVERED: ExitStatus.INCOMPLETE,
}


@click.command("verify")
@click.argument("path", type=click.Path(path_type=Path))
@ledger_option
@json_option
@sarif_option
@fail_on_option
def command(
    path: Path, ledger_path: Path | None, as_json: bool, sarif_path: Path | None, fail_on: Severity
) -> int:
    """Say whether PATH is what a recorded run wrote, at which step, and whether it changed since.

    Of a folder: whether each file in it is, and whether each recorded one is still there. Exit status 0
    when it is, 1 when it was changed, 3 when the record does not know it.
    """
    with report(sarif_path, "verify") as sarif, open_ledger(ledger_path) as ledger:
        if path.is_dir():
            return _folder(ledger, path, sarif, as_json=as_json, fail_on=fail_on)
        return _file(ledger, path, sarif, as_json=as_json)


def _folder(ledger: Ledger, path: Path, sarif: Report, *, as_json: bool, fail_on: Severity) -> int:
    from veristep.case.folder import check
    from veristep.guard import policy

    result = check(ledger, path, policy.find(Path.cwd()), time.time_ns())
    return tell(result, as_json=as_json, sarif=sarif, subject=str(path), fail_on=fail_on)


def _file(ledger: Ledger, path: Path, sarif: Report, *, as_json: bool) -> int:
    from veristep.case.origin import trace
    from veristep.guard import policy

    traced = trace(ledger, path, time.time_ns(), policy.find(Path.cwd()).protect)
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
        _print_finding(finding) if "expected_size" in finding.evidence else render.finding(finding)
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
    from veristep.case.wording import plain

    head = render.styled(f"error[{finding.rule}]", "red", stream=sys.stdout)
    evidence = finding.evidence
    render.out(f"{head}: {plain(finding.summary)}")
    render.out(f"  --> run {finding.run} / rank {finding.rank} / step {finding.step}")
    render.out(f"   | expected  sha256 {evidence['expected']}, {evidence['expected_size']} bytes")
    render.out(f"   | got       sha256 {evidence['got']}, {evidence['size']} bytes")
    for suspect in finding.suspects[1:]:
        render.out(f"   | {suspect.what:<9} {plain(suspect.value)} ({suspect.how_known})")
    if evidence.get("detail"):
        render.out(f"   | detail    {plain(str(evidence['detail']))}")
    changed = evidence.get("mtime_ns")
    if isinstance(changed, int):
        when = render.when(changed)
        render.out(f"   | modified  {when} UTC, by the file's own word")
    render.out(f"   = docs: veristep explain {finding.rule}")


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
