"""Is the draw of an audit the one that its evidence gives? Pure; `draw.evidence` reads what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from veristep.core.verdicts import Verdict
from veristep.errors import VeristepError
from veristep.ledger import auditors, checkpoints
from veristep.replay.draw.derive import Draw, order
from veristep.replay.draw.derive import seed as draw_seed
from veristep.replay.plan.choice import Choice, Given
from veristep.replay.plan.schedule import Schedule, rounds


@dataclass(frozen=True, slots=True)
class Commitment:
    """An entry by which an auditor committed to a nonce."""

    index: int
    auditor: str
    commitment: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What an ``audit.done`` entry says of its draw.

    Attributes:
        index: the entry.
        draw: what it was derived from.
        choice: what was asked for.
        escalate: whether mismatches had their surroundings replayed.
        count: intervals there were.
        verdicts: per interval that was judged, by number.
        version: of Veristep, which cut the run into intervals.
    """

    index: int
    draw: Draw
    choice: Choice
    escalate: bool
    count: int
    verdicts: Mapping[int, Verdict]
    version: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ledger and the run's record say, whatever the audit claims.

    Attributes:
        origin: the log's name.
        ended: entry that ended the run; None when there was none before the audit.
        checkpoint: the first checkpoint that covers the end of the record; its signature was checked.
        root: root hash of the log's own entries at that checkpoint's size.
        commitments: of this run, whoever made them and whenever.
        intervals: digest of the intervals the record has; empty when they could not be computed again.
        why_not: why they could not.
        count: how many there are.
        version: of the Veristep that computed them.
    """

    origin: str
    ended: int | None
    checkpoint: str
    root: bytes
    commitments: tuple[Commitment, ...]
    intervals: str
    why_not: str
    count: int
    version: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a draw came to.

    Attributes:
        verdict: verified (bound and as it has to be), violated, or unverified.
        problems: what contradicts the claim.
        unbound: why the draw could have been steered or foreseen, by whom.
        notes: what else is worth knowing.
    """

    verdict: Verdict
    problems: tuple[str, ...]
    unbound: tuple[str, ...]
    notes: tuple[str, ...]


def check(claim: Claim, evidence: Evidence) -> Checked:
    """Compute the draw again from the evidence and hold the audit to it."""
    if isinstance(claim.choice, Given):
        note = "the intervals were named by whoever audited: nothing was drawn, and no risk is stated"
        return Checked(Verdict.NOT_COVERED, (), (), (note,))
    problems = [*_checkpoint(claim, evidence), *_nonce(claim, evidence), *_course(claim)]
    intervals, unbound = _intervals(claim, evidence)
    problems += intervals
    if claim.draw.commitment is None:
        unbound.append(
            f"the nonce is a fresh one ({claim.draw.why_fresh or 'no reason given'}): nobody could foresee "
            "it, but whoever audited could have tried many and shown one"
        )
    verdict = Verdict.VIOLATED if problems else Verdict.UNVERIFIED if unbound else Verdict.VERIFIED
    return Checked(verdict, tuple(problems), tuple(unbound), tuple(_notes(evidence)))


def _checkpoint(claim: Claim, evidence: Evidence) -> list[str]:
    """The checkpoint has to be the first one that covers the run's end: none other leaves no choice."""
    try:
        claimed = checkpoints.read(claim.draw.checkpoint)
    except VeristepError as error:
        return [f"the checkpoint in the audit is damaged: {error.message}"]
    if evidence.ended is None:
        early = claim.draw.commitment is not None
        return ["it showed the committed nonce while the run went on"] if early else []
    wanted = checkpoints.read(evidence.checkpoint)
    if claimed.size <= evidence.ended:
        where = f"before the run ended (entry {evidence.ended}): it could be foreseen"
        return [f"the draw is from a checkpoint of {claimed.size} entries, {where}"]
    if claimed != wanted:
        expected, got = (f"{each.size} entries, root {each.root.hex()[:16]}" for each in (wanted, claimed))
        what = "the draw is not from the first checkpoint that covers the run's end"
        return [f"{what}: expected {expected}, got {got}"]
    if claimed.root != evidence.root:
        return ["the checkpoint of the draw does not sign the entries that the ledger holds"]
    return []


def _nonce(claim: Claim, evidence: Evidence) -> list[str]:
    if claim.draw.commitment is None:
        return []
    where = f"entry {claim.draw.commitment}"
    made = next((each for each in evidence.commitments if each.index == claim.draw.commitment), None)
    if made is None:
        return [f"{where} is no commitment to a draw of this run"]
    problems = []
    if evidence.ended is not None and made.index > evidence.ended:
        problems.append(f"the commitment ({where}) was made after the run ended (entry {evidence.ended})")
    actual = auditors.commitment(claim.draw.nonce, claim.draw.run)
    if actual != made.commitment:
        problems.append(
            f"the nonce is not the one committed to in {where}: "
            f"expected {made.commitment[:23]}..., got {actual[:23]}..."
        )
    else:
        try:
            auditors.check_nonce(made.auditor, claim.draw.nonce, evidence.origin, claim.draw.run)
        except VeristepError as error:
            problems.append(f"the nonce is not the auditor's own: {error.message}")
    return problems


def _course(claim: Claim) -> list[str]:
    """Whether exactly those intervals were judged that the draw and the verdicts call for."""
    try:
        draw = claim.draw
        numbers = order(claim.count, draw_seed(draw.nonce, draw.checkpoint, draw.run, draw.intervals))
    except VeristepError:
        return []  # told already
    course = rounds(Schedule(numbers, claim.choice, claim.escalate), claim.verdicts)
    wanted = {number for each in course for number in each.numbers}
    left_out = sorted(wanted - claim.verdicts.keys())
    added = sorted(claim.verdicts.keys() - wanted)
    problems = []
    if left_out:
        problems.append(
            f"{len(left_out)} intervals that the draw calls for were left out: {_list(left_out)}"
        )
    if added:
        problems.append(
            f"{len(added)} intervals were judged that the draw does not call for: {_list(added)}"
        )
    return problems


def _intervals(claim: Claim, evidence: Evidence) -> tuple[list[str], list[str]]:
    if not evidence.intervals:
        return [], [f"the list of intervals could not be computed again: {evidence.why_not}"]
    if (claim.draw.intervals, claim.count) == (evidence.intervals, evidence.count):
        return [], []
    what = f"{claim.count} intervals, and the record has {evidence.count}"
    if claim.version != evidence.version:
        version = f"cut by version {claim.version}, this is {evidence.version}"
        return [], [f"the list of intervals is another one: it was {what} ({version})"]
    return [f"the list of intervals is not the record's: the draw was from {what}"], []


def _notes(evidence: Evidence) -> list[str]:
    """Say between which draws the auditor may have had a choice."""
    ended = evidence.ended
    early = [each for each in evidence.commitments if ended is None or each.index < ended]
    notes = []
    by_auditor: dict[str, int] = {}
    for each in early:
        by_auditor[each.auditor] = by_auditor.get(each.auditor, 0) + 1
    notes += [
        f"the auditor {auditor[:24]} committed to {count} nonces and could choose between them"
        for auditor, count in by_auditor.items()
        if count > 1
    ]
    if len(by_auditor) > 1:
        notes.append(
            f"{len(by_auditor)} auditors committed to this run: each has a draw, and this audit used one"
        )
    late = len(evidence.commitments) - len(early)
    if late:
        notes.append(f"{late} commitments were made after the run ended and bind nobody")
    return notes


def _list(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:8])
    return shown + (", ..." if len(numbers) > 8 else "")
