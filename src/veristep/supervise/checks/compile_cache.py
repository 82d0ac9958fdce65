"""Compile caches: private to a run, or the user's own, which others must not be able to write."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.load import shared_cache, unsafe
from veristep.supervise.checks.protocol import Check, Subject


class CompileCaches(Check):
    """What torch.compile and triton keep on disk is run when it is warm."""

    name = "compile caches"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._private = 0
        self._own = 0

    def before(self) -> list[Finding]:
        """Look at the caches the user has chosen, and at how torch is told to load."""
        found = unsafe.in_environment(self._subject.environment)
        for variable in shared_cache.VARIABLES:
            place = self._subject.environment.get(variable, "")
            if not place:
                continue
            if place.startswith(str(self._subject.boot)):
                self._private += 1
                continue
            self._own += 1
            finding = shared_cache.in_folder(Path(place), variable, os.getuid())
            found += [finding] if finding else []
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return how many caches are the run's alone; of others, the code is not checked."""
        reason = "kept as the user set it: who can write it was looked at, the code in it was not"
        not_checked = {reason: self._own} if self._own else {}
        return {"caches": Tally(self._private + self._own, self._private, not_checked)}
