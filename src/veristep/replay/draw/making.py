"""Making a draw from what the ledger holds: commitments, the run's end, the checkpoint that covers it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from veristep.errors import UsageError, VeristepError
from veristep.ledger import auditors, keys
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.ledger.notes import SignerKey
from veristep.replay.draw.derive import Draw, intervals_digest
from veristep.replay.plan.intervals import Interval
from veristep.supervise.recover import RECOVERED

_END_KINDS = ("run.closed", RECOVERED)
_FRESH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ends:
    """Where the record of a run ends in the ledger.

    Attributes:
        first: entry from which on nobody can commit any more; None while the run goes on.
        last: entry behind which nothing is added; a run whose processes outlive it is recovered late.
    """

    first: Entry | None
    last: Entry | None


def ends(ledger: Ledger, run: str, before: int | None = None) -> Ends:
    """Return where a run's record ends, as it stood before entry `before`."""
    found = [entry for kind in _END_KINDS for entry in ledger.entries(run=run, kind=kind)]
    found = sorted(
        (entry for entry in found if before is None or entry.index < before), key=lambda entry: entry.index
    )
    return Ends(found[0], found[-1]) if found else Ends(None, None)


def require_open(ledger: Ledger, run: str) -> None:
    """Refuse to commit to the draw of a run that has ended.

    Raises:
        UsageError: it has.
    """
    ended = ends(ledger, run).first
    if ended is not None:
        raise UsageError(
            f"the run {run} has ended (entry {ended.index}): a commitment made now binds nobody",
            hint="commit while a run trains; veristep audit draws without one, and says what that is worth",
        )


def commit(ledger: Ledger, opened: Entry, key: SignerKey) -> int:
    """Commit to the draw of a run that still goes on; return the entry's index.

    Raises:
        UsageError: the run has ended, or the auditor has committed to it already.
    """
    run = opened.run
    require_open(ledger, run)
    name = keys.key_id(key.verifier)
    for entry in ledger.entries(run=run, kind=auditors.COMMITTED):
        if entry.body.get("auditor") == name:
            raise UsageError(f"this auditor has committed to the run {run} already (entry {entry.index})")
    project = str(opened.body.get("project") or "")
    index = ledger.append(auditors.draft(key, ledger.origin, run, project))[0].index
    ended = ends(ledger, run, before=index).first
    if ended is not None:
        raise UsageError(
            f"the run {run} ended (entry {ended.index}) before the commitment (entry {index}) was logged",
            hint="the commitment binds nobody; the audit draws with a fresh nonce and says so",
        )
    return index


def make(ledger: Ledger, run: str, intervals: Sequence[Interval], key: SignerKey | None) -> Draw:
    """Return the draw for an audit of a run.

    Args:
        ledger: where the run stands.
        run: its id.
        intervals: what is drawn from.
        key: the auditor's own; None for the one that comes with the ledger.

    Raises:
        UsageError: the auditor's own key was given and has not committed to this run.
        VeristepError: an entry is damaged.
    """
    digest = intervals_digest(intervals)
    end = ends(ledger, run)
    if end.first is None or end.last is None:
        # Showing the committed nonce now would let the training know the draw.
        return _fresh(ledger.checkpoint(), run, digest, "the run has not ended")
    checkpoint = ledger.checkpoint_covering(end.last.index)
    before = [
        entry for entry in ledger.entries(run=run, kind=auditors.COMMITTED) if entry.index < end.first.index
    ]
    shown = _shown(ledger, run)
    signers = [key] if key is not None else _embedded(ledger)
    for signer in signers:
        secret = auditors.nonce(signer, ledger.origin, run)
        for entry in before:
            if entry.body.get("commitment") == auditors.commitment(secret, run):
                return Draw(run, secret, checkpoint, digest, entry.index)
    if key is not None:
        raise UsageError(
            f"this auditor's key has not committed to the run {run} before it ended",
            hint="leave --auditor-key out to draw with the ledger's own auditor",
        )
    for entry in before:
        for secret in shown:
            if entry.body.get("commitment") == auditors.commitment(secret, run):
                return Draw(run, secret, checkpoint, digest, entry.index)
    why = (
        "nobody committed to a nonce before the run ended"
        if not before
        else "the nonce that was committed to is not at hand"
    )
    return _fresh(checkpoint, run, digest, why)


def _fresh(checkpoint: str, run: str, digest: str, why: str) -> Draw:
    return Draw(run, secrets.token_bytes(_FRESH_BYTES), checkpoint, digest, None, why)


def _embedded(ledger: Ledger) -> list[SignerKey]:
    try:
        return [keys.load(ledger.path / auditors.KEY_FILE)]
    except VeristepError:
        return []  # then the draw says that it is not bound


def _shown(ledger: Ledger, run: str) -> list[bytes]:
    """Return the nonces that earlier audits of the run have shown."""
    found = []
    for entry in ledger.entries(run=run, kind="audit.done"):
        draw = entry.body.get("draw")
        nonce = draw.get("nonce") if isinstance(draw, dict) else None
        if isinstance(nonce, str):
            try:
                found.append(bytes.fromhex(nonce))
            except ValueError:
                continue
    return found
