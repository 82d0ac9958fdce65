"""Reading the draw of an audit, and what it has to agree with, from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veristep import __version__
from veristep.core.canonical import decode_object
from veristep.core.verdicts import Verdict
from veristep.errors import MalformedError, NotFoundError, VeristepError
from veristep.ledger import auditors, checkpoints
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.replay import recorded as records
from veristep.replay.draw import making as drawing
from veristep.replay.draw.check import Claim, Commitment, Evidence
from veristep.replay.draw.derive import Draw, intervals_digest
from veristep.replay.plan import choice as choices
from veristep.replay.plan import intervals as plans

AUDITED = "audit.done"


def audit_entry(ledger: Ledger, run: str, index: int | None) -> Entry:
    """Return the audit of `run` that entry `index` tells of; the last one with a draw when nobody says.

    Raises:
        NotFoundError: there is no such audit.
    """
    found = list(ledger.entries(run=run, kind=AUDITED))
    if not found:
        raise NotFoundError(f"the run {run} has not been audited", hint=f"veristep audit {run}")
    if index is None:
        return next((entry for entry in reversed(found) if "draw" in entry.body), found[-1])
    for entry in found:
        if entry.index == index:
            return entry
    listed = ", ".join(str(entry.index) for entry in found[-8:])
    raise NotFoundError(f"entry {index} is no audit of the run {run}", hint=f"its audits: {listed}")


def claim(ledger: Ledger, entry: Entry) -> Claim:
    """Return what an ``audit.done`` entry says of its draw.

    Raises:
        MalformedError: it does not say it, or not in the form of this version.
        VeristepError: its details cannot be read.
    """
    body: Mapping[str, Any] = entry.body
    draw = body.get("draw")
    if not isinstance(draw, Mapping) or draw.get("format") != auditors.FORMAT:
        raise MalformedError(
            f"the audit of entry {entry.index} does not say how its intervals were drawn",
            hint="it replayed the whole script (--from-start), or another version of Veristep made it",
        )
    details = decode_object(ledger.objects.read(str(body["objects"]["details"])))
    try:
        commitment = draw["commitment"]
        made = Draw(
            run=entry.run,
            nonce=bytes.fromhex(str(draw["nonce"])),
            checkpoint=str(draw["checkpoint"]),
            intervals=str(draw["intervals"]),
            commitment=None if commitment is None else int(commitment),
            why_fresh=str(draw.get("why_fresh") or ""),
        )
        return Claim(
            index=entry.index,
            draw=made,
            choice=choices.from_json(body["choice"]),
            escalate=bool(body["escalate"]),
            count=int(body["coverage"]["intervals"]),
            verdicts=_verdicts(details),
            version=str(body.get("version") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedError(f"the audit of entry {entry.index} is damaged: {error}") from error


def evidence(ledger: Ledger, entry: Entry) -> Evidence:
    """Return what the draw of an audit has to agree with.

    Raises:
        VeristepError: the ledger is damaged.
    """
    run = entry.run
    end = drawing.ends(ledger, run, before=entry.index)
    checkpoint, root = "", b""
    if end.last is not None:
        checkpoint = ledger.checkpoint_covering(end.last.index)
        root = ledger.root(checkpoints.read(checkpoint).size)
    digest, count, why_not = _intervals(ledger, run, entry, end)
    return Evidence(
        origin=ledger.origin,
        ended=end.first.index if end.first else None,
        checkpoint=checkpoint,
        root=root,
        commitments=tuple(
            Commitment(
                each.index, str(each.body.get("auditor")), str(each.body.get("commitment"))
            )
            for each in ledger.entries(run=run, kind=auditors.COMMITTED)
        ),
        intervals=digest,
        why_not=why_not,
        count=count,
        version=__version__,
    )  # fmt: skip


def _intervals(ledger: Ledger, run: str, entry: Entry, end: drawing.Ends) -> tuple[str, int, str]:
    """Cut the run into intervals again; return their digest, their number, or why that was not possible."""
    if end.last is None:
        return "", 0, "the run had not ended, and has grown since"
    now = drawing.ends(ledger, run).last
    if now is not None and now.index > entry.index:
        return "", 0, f"the record has grown since the audit (entry {now.index})"
    try:
        intervals = plans.make_plan(records.load(ledger, run)).intervals
    except VeristepError as error:
        return "", 0, f"the record cannot be read: {error.message}"
    return intervals_digest(intervals), len(intervals), ""


def _verdicts(details: Mapping[str, Any]) -> dict[int, Verdict]:
    numbers, rows = details["numbers"], details["judged"]
    if len(numbers) != len(rows):
        raise ValueError("verdicts without a number")
    return {int(number): Verdict(str(row[2])) for number, row in zip(numbers, rows, strict=True)}
