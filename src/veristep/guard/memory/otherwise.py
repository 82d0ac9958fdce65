"""MEM001: a live function's code is not what its file says."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity
from veristep.guard.memory.owners import Whose
from veristep.guard.memory.told import Found, finding
from veristep.guard.rule import Rule

RULE = Rule("MEM001", "a live function's code is not what its file says")
# Functions that dynamo makes of others, to go on behind a break of the graph.
_RESUMES = "torch_dynamo_resume_in_"


def of(found: Found, functions: int, *, changed_since: bool) -> Finding | None:
    """Return what is wrong with functions of one file whose code its source does not compile to.

    Args:
        found: the functions.
        functions: how many of the file's are alive.
        changed_since: whether the file was changed since the run began.
    """
    codes = tuple(each for each in found.codes if not each.name.split(".")[-1].startswith(_RESUMES))
    if not codes:
        return None
    first = codes[0]
    own = first.whose in (Whose.OWN, Whose.VERSIONED, Whose.OUTSIDE)
    if changed_since and own:
        return finding(
            RULE, found, f"{first.file} was edited while its functions were in use", Severity.INFO
        )
    more = f" and {len(codes) - 1} more of its functions" if len(codes) > 1 else ""
    said = f"{first.name} of {first.where}{more}: the code in memory is not what the file compiles to"
    # What makes other code of a whole file does so when it is imported, which is ENV040's to judge.
    whole = functions > 3 and 2 * len(codes) > functions
    return finding(RULE, found, said, Severity.INFO if whole else Severity.ERROR)
