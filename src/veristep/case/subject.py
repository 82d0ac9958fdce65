"""Everything the record says of one run, gathered for showing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from veristep.case import audited, facts
from veristep.case.overview import overview, whole
from veristep.case.wording import plain, plural
from veristep.errors import VeristepError
from veristep.replay import recorded as records

if TYPE_CHECKING:
    from veristep.case.facts import Artifact, SignalFacts, StreamFacts
    from veristep.case.overview import RunOverview
    from veristep.core.verdicts import Finding
    from veristep.ledger.log import Ledger
    from veristep.replay.recorded import RecordedRun


@dataclass(frozen=True, slots=True)
class Subject:
    """One run.

    Attributes:
        overview: what the ledger's entries say.
        recorded: its log; None when that cannot be read as it was sealed.
        error: why not: what is wrong, and where.
        artifacts: files it wrote, from the ledger.
        findings: raised about it, from the ledger.
        gaps: what is missing from the record, in words.
    """

    overview: RunOverview
    recorded: RecordedRun | None
    error: VeristepError | None
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]
    streams: tuple[StreamFacts, ...] = ()
    gaps: tuple[str, ...] = ()
    signals: tuple[SignalFacts, ...] = ()
    software: Mapping[str, str] | None = None
    checks: tuple[facts.CheckFacts, ...] = ()
    unsealed_lines: int = 0

    @property
    def code(self) -> str:
        """Which code ran, and whether it is kept."""
        return _code(self.overview.opened.body)


def read(ledger: Ledger, run: str, now_ns: int) -> Subject:
    """Gather what is known of a run; a log that is not as sealed becomes the subject's error.

    Raises:
        VeristepError: the ledger's own entries are damaged or were changed.
    """
    view = overview(ledger, run, now_ns)
    recorded, error = _load(ledger, run)
    return Subject(
        overview=view,
        recorded=recorded,
        error=error,
        artifacts=tuple(facts.artifacts(ledger, run)),
        findings=tuple(audited.finding(entry) for entry in ledger.entries(run=run, kind="finding.raised")),
        streams=tuple(facts.stream_facts(recorded)) if recorded else (),
        gaps=_gaps(view, recorded),
        signals=tuple(facts.signals(recorded.lines)) if recorded else (),
        software=facts.software(recorded) if recorded else None,
        checks=tuple(facts.checks(recorded.lines)) if recorded else (),
        unsealed_lines=recorded.unsealed_lines if recorded else 0,
    )


def _load(ledger: Ledger, run: str) -> tuple[RecordedRun | None, VeristepError | None]:
    try:
        return records.load(ledger, run), None
    except VeristepError as error:
        return None, error


def _gaps(view: RunOverview, recorded: RecordedRun | None) -> tuple[str, ...]:
    if recorded is not None:
        return tuple(plain(gap) for gap in recorded.gaps)
    if view.gaps:
        return (f"{plural(view.gaps, 'gap')} by the ledger's count; the log cannot be read",)
    return ()


def _code(body: Mapping[str, Any]) -> str:
    repository = body.get("repository")
    kept, total = whole(body.get("code_kept")), whole(body.get("code_files"))
    files = f"{kept} of {plural(total, 'file')} kept"
    if not body.get("code_complete"):
        files += ", not all of the code"
    if not isinstance(repository, Mapping) or not repository.get("commit"):
        named = plain(repository) if _hidden(repository) else "no commit"
        return f"{named}; {files}"
    branch = f" on {plain(repository['branch'])}" if repository.get("branch") else ""
    state = "with uncommitted changes, kept as a patch" if repository.get("changed") else "clean"
    return f"commit {plain(repository['commit'])[:12]}{branch}, {state}; {files}"


def _hidden(value: object) -> bool:
    return isinstance(value, Mapping) and "commitment" in value
