"""CODE007: a submodule is not at its commit."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.rule import Rule

RULE = Rule("CODE007", "a submodule is not at its commit", Severity.INFO)


def finding(path: str, expected: str, got: str) -> Finding:
    """Return the finding for a submodule that is checked out otherwise than the repository says.

    Args:
        path: of the submodule.
        expected: the commit that the repository names.
        got: the one that is checked out; empty for none.
    """
    return RULE.finding(
        f"{path} is checked out at {got[:10] or 'no commit'}, the repository says {expected[:10]}",
        path=path,
        expected=expected,
        got=got or "nothing",
        hint="git submodule update puts it back",
    )
