"""ENV040: the code that ran is not the code of the file it is said to come from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("ENV040", "Code that ran is not what its file says")

_INSTALLED = ("/site-packages/", "/dist-packages/", "/lib/python3")


class Outcome(StrEnum):
    """What became of comparing a module's code with its source."""

    SAME = "same"
    OTHER = "other"
    GONE = "the source is gone"
    NO_CODE = "the source does not compile"
    NO_SOURCE = "there is byte code only, or an archive"
    NO_TIME = "there was no time to compile the source"
    NO_COMPILER = "the interpreter that ran it did not compile the source again"


@dataclass(frozen=True, slots=True)
class Ran:
    """The body of a module as a process executed it.

    Attributes:
        path: the file it is said to come from, absolute.
        digest: of its code, see `guard.env.code_digest`.
        time_ns: when, nanoseconds since the epoch.
        maker: who made the code, when it is not the interpreter from that file.
    """

    path: str
    digest: str
    time_ns: int
    maker: str = ""


def is_installed(path: str) -> bool:
    """Whether a file is part of an interpreter or of what is installed into one."""
    return any(part in path for part in _INSTALLED)


def of(ran: Ran, outcome: Outcome, got: str, changed_ns: int) -> Finding | None:
    """Return what is wrong with a module that ran; None when nothing is.

    Args:
        ran: the module.
        outcome: of compiling its source again.
        got: digest of what the source compiles to now.
        changed_ns: when the file was changed last, by the kernel's change time; 0 when it is gone.
    """
    if outcome is Outcome.OTHER:
        return _made(ran) if ran.maker else _other(ran, got, later=changed_ns > ran.time_ns)
    if outcome is Outcome.GONE and not ran.maker and is_installed(ran.path):
        summary = f"{ran.path} ran and is gone: a file that was part of what is installed"
        return _finding(ran, summary, Severity.WARNING)
    return None


def _other(ran: Ran, got: str, *, later: bool) -> Finding:
    if not later:
        summary = f"{ran.path} ran with other code than its source compiles to"
        hint = (
            "byte code from a cache, or code put in its place in memory; nothing it did can be read there"
        )
        return _finding(ran, summary, Severity.ERROR, got=got, hint=hint)
    if is_installed(ran.path):
        summary = f"{ran.path} ran with other code than it holds now: it was changed after it had run"
        hint = "an upgrade during the run, or somebody put the file back; compare it with what is published"
        return _finding(ran, summary, Severity.ERROR, got=got, hint=hint)
    return _finding(ran, f"{ran.path} was edited after it had run", Severity.INFO, got=got)


def _made(ran: Ran) -> Finding:
    # Assertion rewriters, type checkers and coverage do this to one's own modules, openly; what is
    # installed is not theirs to change.
    usual = is_installed(ran.maker) and not is_installed(ran.path)
    severity = Severity.INFO if usual else Severity.WARNING
    summary = f"{ran.maker} made other code of {ran.path} than stands there"
    return _finding(ran, summary, severity)


def _finding(ran: Ran, summary: str, severity: Severity, *, got: str = "", hint: str = "") -> Finding:
    pointed = suspects.of_file(Path(ran.path), how="code ran under its name")
    if ran.maker:
        pointed = (Suspect("maker", ran.maker, "it called the interpreter to execute the code"), *pointed)
    evidence: dict[str, Json] = {"path": ran.path, "expected": ran.digest}
    evidence |= {name: value for name, value in (("got", got), ("hint", hint)) if value}
    return Finding(RULE.id, severity, summary, suspects=pointed, evidence=evidence)
