"""Where a file comes from: what a recorded run wrote, and whether it is still that."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from veristep.case.facts import Artifact
from veristep.case.overview import RunOverview, State, overview
from veristep.case.wording import plain
from veristep.core.verdicts import Coverage, Finding, Result, Severity, Verdict
from veristep.errors import NotFoundError, UnavailableError
from veristep.guard.policy import Protect
from veristep.supervise.artifacts import known
from veristep.supervise.artifacts.approvals import Protection
from veristep.supervise.artifacts.judging import FileNow, judge

if TYPE_CHECKING:
    from pathlib import Path

    from veristep.ledger.log import Ledger
    from veristep.supervise.artifacts.known import Known, Written

_READ_BYTES = 1 << 20
# A recorder reads a file back a second after it was written and passes that on at once; a process
# that is killed takes with it what it wrote in its last moments.
_UNREAD_NS = 30 * 10**9


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file as it is now."""

    path: str
    also_known_as: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Traced:
    """What the record says of a file.

    Attributes:
        file: the file as it is now.
        result: the verdict on it.
        artifact: the recorded writing it matches, or contradicts; None when there is none.
        run: the run that did that.
        elsewhere: how many other recorded writings have the same content.
    """

    file: FileFacts
    result: Result
    artifact: Artifact | None = None
    run: RunOverview | None = None
    elsewhere: int = 0


def trace(ledger: Ledger, path: Path, now_ns: int, protect: Protect | None = None) -> Traced:
    """Say whether a file is what a recorded run wrote, at which step, and whether it changed.

    Args:
        ledger: holds the record.
        path: the file.
        now_ns: the time, for what is said of runs.
        protect: what changes only with a second person's signature.

    Raises:
        NotFoundError: there is no such file.
        UnavailableError: it cannot be read.
    """
    file = read_file(path)
    all_known = known.read(ledger)
    traced = _trace(ledger, all_known, file, now_ns)
    protection = Protection(protect or Protect(), ledger)
    if not protection.covers(file.path, file.also_known_as):
        return traced
    unsigned = protection.judge(all_known, (file.path, file.also_known_as), file.sha256)
    if unsigned is None:
        return traced
    result = traced.result
    violated = result.verdict is Verdict.VIOLATED or unsigned.severity is Severity.ERROR
    verdict = Verdict.VIOLATED if violated else result.verdict
    reason = result.reason or (unsigned.summary if violated else "")
    return replace(
        traced,
        result=replace(result, verdict=verdict, reason=reason, findings=(*result.findings, unsigned)),
    )


def _trace(ledger: Ledger, all_known: Known, file: FileFacts, now_ns: int) -> Traced:
    now = FileNow(file.path, file.also_known_as, file.size, file.sha256, file.mtime_ns)
    judged = judge(ledger, all_known, now)
    if judged.finding is not None and judged.last is not None:
        run = overview(ledger, judged.last.run, now_ns)
        return _changed(file, _artifact(judged.last), run, judged.finding, len(judged.same))
    if not judged.same:
        return Traced(file, _unknown())
    match = judged.last or judged.same[-1]
    run = overview(ledger, match.run, now_ns)
    result = Result(Verdict.VERIFIED, _coverage(run))
    return Traced(file, result, _artifact(match), run, len(judged.same) - 1)


def _artifact(written: Written) -> Artifact:
    return Artifact(
        written.index,
        written.time_ns,
        written.run,
        plain(written.stream),
        written.step,
        written.path,
        written.size,
        written.sha256,
    )


def read_file(path: Path) -> FileFacts:
    """Return a file's digest, size and times.

    Raises:
        NotFoundError: there is no such file.
        UnavailableError: it cannot be read.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
                size += len(block)
        mtime_ns = path.stat().st_mtime_ns
        resolved = str(path.resolve())
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="check its spelling") from error
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
    return FileFacts(str(path.absolute()), resolved, size, mtime_ns, digest.hexdigest())


def audit_in_words(run: RunOverview) -> str:
    """Return what may be said of the training that led to a file."""
    if not run.audits:
        return "the run has not been audited: the run wrote this file, which does not make it right"
    if any(audit.verdict is Verdict.VIOLATED for audit in run.audits):
        return "an audit found the run violated: the run wrote this file, and is not to be trusted"
    last = run.audits[-1]
    coverage = last.coverage
    return (
        f"the run's last audit says {last.verdict.value}: "
        f"{coverage.intervals_checked} of {coverage.intervals} intervals replayed"
    )


def _changed(file: FileFacts, last: Artifact, run: RunOverview, finding: Finding, same: int) -> Traced:
    if not same and may_be_unread(run, file.mtime_ns):
        reason = (
            f"the run {run.run} is {run.standing.words}, and what it wrote at its end may not have "
            "been read back: this can be its own last writing, or a change"
        )
        result = Result(Verdict.UNVERIFIED, _coverage(run), reason)
        return Traced(file, result, last, run)
    result = Result(Verdict.VIOLATED, _coverage(run), finding.summary, (finding,))
    return Traced(file, result, last, run, same)


def _unknown() -> Result:
    reason = "no recorded run wrote a file of this content or at this path"
    return Result(Verdict.NOT_COVERED, Coverage(), reason)


def _coverage(run: RunOverview) -> Coverage:
    if run.audits:
        return run.audits[-1].coverage
    missing = {"the run has not been audited": run.total_steps}
    return Coverage(steps=run.total_steps, not_checked=missing)


def may_be_unread(run: RunOverview, mtime_ns: int) -> bool:
    """Whether an honest run can have written a file then without having told of it.

    A modification time can be set to anything; that turns `violated` into `unverified` at most.
    """
    if run.standing.state is State.FINISHED:
        return False
    after = run.heard_ns - _UNREAD_NS <= mtime_ns
    return after and (run.ended_ns is None or mtime_ns <= run.ended_ns)
