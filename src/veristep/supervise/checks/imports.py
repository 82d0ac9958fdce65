"""Puts on record what a run imported, so that a file that turns out bad later names the runs it touched."""

from __future__ import annotations

import time

from veristep.core.canonical import Json
from veristep.ledger.entries import Draft
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.env import imports

# A run whose supervisor is killed has said by then what it imported at its beginning.
FIRST_SECONDS, LATER_SECONDS = 20.0, 600.0


class ImportsOnRecord(Check):
    """What other checks noted of modules and libraries."""

    name = "imports"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._next = time.monotonic() + FIRST_SECONDS

    def entries(self, *, last: bool) -> list[Draft]:
        """Return an entry with all of it, now and then while it grows, and at the end."""
        known = self._subject.imports
        now = time.monotonic()
        if not known.grown or (now < self._next and not last):
            return []
        name = self._subject.ledger.objects.put(known.to_bytes())
        known.grown = False
        self._next = now + LATER_SECONDS
        body: dict[str, Json] = {
            "objects": {"imports": name},
            "modules": known.count(),
            "libraries": len(known.libraries),
        }
        return [Draft(imports.ENTRY, body, self._subject.run, self._subject.project)]
