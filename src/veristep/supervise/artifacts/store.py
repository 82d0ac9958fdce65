"""The parts of recorded files in the ledger: entries of kind ``artifact.described``."""

from __future__ import annotations

from veristep.core.canonical import Json
from veristep.errors import VeristepError
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.supervise.artifacts.members import Members, parse

DESCRIBED = "artifact.described"


def save(ledger: Ledger, sha256: str, members: Members, run: str, project: str) -> None:
    """Keep the parts of a file that has this content.

    Raises:
        VeristepError: the ledger does not take it.
    """
    ledger.append(draft(ledger, sha256, members, run, project))


def draft(ledger: Ledger, sha256: str, members: Members, run: str, project: str) -> Draft:
    """Put the parts of a file into the object store, and return the entry that names them.

    Raises:
        VeristepError: the store does not take them.
    """
    body: dict[str, Json] = {
        "sha256": sha256,
        "kind": members.kind,
        "members": len(members.members),
        "objects": ledger.objects.put(members.encode()),
    }
    return Draft(DESCRIBED, body, run, project)


def find(ledger: Ledger, sha256: str) -> Members | None:
    """Return the parts of the content of this digest; None when they were not kept, or are damaged."""
    for entry in ledger.entries(kind=DESCRIBED):
        if entry.body.get("sha256") == sha256:
            try:
                return parse(ledger.objects.read(str(entry.body.get("objects"))))
            except VeristepError:
                return None
    return None
