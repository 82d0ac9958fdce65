"""`veristep audit commit` and `veristep audit verify-draw`: binding a draw, and holding an audit to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli import render
from veristep.cli.audit_choice import auditor_key_option
from veristep.cli.options import json_option, ledger_option, ledger_path_or_default, open_ledger
from veristep.core.verdicts import SCHEMA, Verdict
from veristep.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from veristep.core.canonical import Json
    from veristep.replay.draw.check import Checked, Claim

_STATUS = {
    Verdict.VERIFIED: ExitStatus.CLEAN,
    Verdict.VIOLATED: ExitStatus.FINDINGS,
    Verdict.UNVERIFIED: ExitStatus.INCOMPLETE,
    Verdict.NOT_COVERED: ExitStatus.INCOMPLETE,
}


@click.command("commit")
@click.argument("run", default="last")
@ledger_option
@auditor_key_option
@json_option
def commit(run: str, ledger_path: Path | None, auditor_key: Path | None, as_json: bool) -> int:
    """Commit to the draw of RUN while it trains, with a key of your own.

    The key is made if the file is not there. Keep it where nobody who trains can read it, and audit with
    the same --auditor-key: the draw then rests on your nonce. For the ledger's own auditor `veristep run`
    has committed already.
    """
    from veristep.ledger import auditors, keys
    from veristep.ledger.log import Ledger
    from veristep.replay import recorded as records
    from veristep.replay.draw import making as drawing

    if auditor_key is None:
        raise UsageError(
            "the ledger's own auditor has committed when the run was opened; --auditor-key names yours",
            hint="for example --auditor-key ~/.config/veristep/auditor.key, made if it is not there",
        )
    with Ledger.open(ledger_path_or_default(ledger_path)) as ledger:
        run_id = records.find(ledger, run)
        opened = next(iter(ledger.entries(run=run_id, kind="run.opened")))
        drawing.require_open(ledger, run_id)
        key = auditors.key_at(auditor_key, create=True)
        index = drawing.commit(ledger, opened, key)
    auditor = keys.key_id(key.verifier)
    if as_json:
        render.as_json({"schema": SCHEMA, "run": run_id, "entry": index, "auditor": auditor})
        return int(ExitStatus.CLEAN)
    render.out(f"run         {run_id}")
    render.out(f"committed   entry {index}")
    render.out(f"auditor     {auditor}")
    render.out(f"audit       veristep audit {run_id} --auditor-key {auditor_key}")
    return int(ExitStatus.CLEAN)


@click.command("verify-draw")
@click.argument("run", default="last")
@ledger_option
@click.option("--entry", type=click.IntRange(min=0), help="The audit of this entry [default: the last].")
@json_option
def verify_draw(run: str, ledger_path: Path | None, entry: int | None, as_json: bool) -> int:
    """Compute the draw of an audit of RUN again, and say what bound it.

    Checks the nonce against the commitment, when that was made, the checkpoint, the list of intervals, and
    that exactly the intervals were judged that the draw and the verdicts call for. It replays nothing.
    """
    from veristep.replay import recorded as records
    from veristep.replay.draw import check as draw_check
    from veristep.replay.draw import evidence as draw_evidence

    with open_ledger(ledger_path) as ledger:
        run_id = records.find(ledger, run)
        audited = draw_evidence.audit_entry(ledger, run_id, entry)
        claim = draw_evidence.claim(ledger, audited)
        checked = draw_check.check(claim, draw_evidence.evidence(ledger, audited))
    if as_json:
        render.as_json(_to_json(run_id, claim, checked))
    else:
        _print(claim, checked)
    return int(_STATUS[checked.verdict])


def _to_json(run: str, claim: Claim, checked: Checked) -> dict[str, Json]:
    return {
        "schema": SCHEMA,
        "run": run,
        "entry": claim.index,
        "verdict": checked.verdict.value,
        "problems": list(checked.problems),
        "unbound": list(checked.unbound),
        "notes": list(checked.notes),
        "choice": claim.choice.to_json(),
        "draw": claim.draw.to_json(),
        "intervals": claim.count,
        "judged": sorted(claim.verdicts),
    }


def _print(claim: Claim, checked: Checked) -> None:
    from veristep.case.wording import plain

    for problem in checked.problems:
        render.out(f"{render.styled('problem', 'red')}: {plain(problem)}")
    render.out(f"{render.verdict(checked.verdict)}: the draw of the audit of entry {claim.index}")
    if checked.verdict is Verdict.VERIFIED:
        render.out(
            f"   = nonce: committed to in entry {claim.draw.commitment}, before the run ended, and shown"
        )
        render.out("   = checkpoint: the first one that covers the run's end")
        render.out(
            f"   = intervals: the record's {claim.count}; those judged ({len(claim.verdicts)}) are the "
            "ones it calls for"
        )
    for each in checked.unbound:
        render.out(f"   = not bound: {plain(each)}")
    for each in checked.notes:
        render.out(f"   = note: {plain(each)}")
