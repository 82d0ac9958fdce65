"""CODE001: the code changed since the last run of the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("CODE001", "the code changed since the last run of the project", Severity.INFO)
_MOST = 50


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Attributes:
        id: its name.
        author, committer: by their own word.
        signed: whether it carries a signature; whose, and whether it holds, is not looked at here.
        subject: its first line.
    """

    id: str
    author: str
    committer: str
    signed: bool
    subject: str

    @property
    def words(self) -> str:
        """The commit in a line."""
        signed = "signed" if self.signed else "unsigned"
        by = (
            self.author
            if self.author == self.committer
            else f"{self.author}, committed by {self.committer}"
        )
        return f"{self.id[:10]} {by} ({signed}): {self.subject}"


def commits(root: str, since: str, found: Sequence[Commit], *, more: bool) -> Finding:
    """Return the finding for commits since a run.

    Args:
        root: the repository.
        since: the run, in words.
        found: the commits, newest first.
        more: whether there are more than these.
    """
    authors = dict.fromkeys(each.author for each in found)
    count = f"{'more than ' if more else ''}{len(found)} commit{'s' if len(found) != 1 else ''}"
    unsigned = sum(not each.signed for each in found)
    return RULE.finding(
        f"{count} since {since} by {', '.join(authors)}: {unsigned} unsigned",
        suspects=tuple(Suspect("author", each, "by the commits' own word") for each in list(authors)[:10]),
        path=root,
        diff=[each.words for each in found[:_MOST]],
    )


def rewritten(root: str, since: str, commit: str) -> Finding:
    """Return the finding for a history that the last run's commit is not part of any more."""
    return RULE.finding(
        f"the commit of {since}, {commit[:10]}, is not in the history of what is checked out now",
        severity=Severity.WARNING,
        path=root,
        expected=commit,
        hint="another branch, a rebase, or history that was rewritten: see git reflog",
    )


def files(root: str, since: str, changed: Sequence[str]) -> Finding:
    """Return the finding for files that are others than in a run, whatever git says."""
    count = len(changed)
    what = "1 file of the code is" if count == 1 else f"{count} files of the code are"
    return RULE.finding(
        f"{what} not as in {since}",
        path=root,
        diff=list(changed[:_MOST]) + ([f"and {count - _MOST} more"] if count > _MOST else []),
    )
