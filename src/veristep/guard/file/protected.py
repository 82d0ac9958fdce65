"""FILE007: a protected file changed without a second person's signature."""

from __future__ import annotations

from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity
from veristep.guard import suspects
from veristep.guard.rule import Rule

RULE = Rule("FILE007", "a protected file changed without a second person's signature")


def finding(path: str, sha256: str, why: str, *, approved: str = "", known: bool = True) -> Finding:
    """Return the finding for a protected file whose content nobody but its author approved.

    Args:
        path: the file.
        sha256: of its content.
        why: what is missing.
        approved: SHA-256 of the content that was approved last; empty for none.
        known: whether anything was ever approved at this path; else it is a warning.
    """
    evidence: dict[str, Json] = (
        {"expected": f"sha256 {approved}", "got": f"sha256 {sha256}"} if approved else {}
    )
    return RULE.finding(
        f"{path} is protected, and {why}",
        suspects=suspects.of_file(Path(path), how="its content is not the approved one"),
        severity=Severity.ERROR if known else Severity.WARNING,
        path=path,
        sha256=sha256,
        hint=f"if it is right, have a second person sign: veristep artifact approve {path} --key KEY",
        expected=evidence.get("expected", ""),
        got=evidence.get("got", ""),
    )
