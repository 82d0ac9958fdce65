"""A small data set that was locked long ago, as far as change times tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from veristep.core.checks import CheckResult
from veristep.ledger.log import Ledger
from veristep.supervise.data import store
from veristep.supervise.data.check import CheckOptions, How, check
from veristep.supervise.data.lock import LockOptions, LockOutcome, lock
from veristep.supervise.data.source import LocalSource

CHUNK = 4096


@dataclass
class Data:
    """Data, and the ledger that knows it."""

    folder: Path
    ledger: Ledger

    def lock(self, *, racy_ns: int = 0, full: bool = False) -> LockOutcome:
        options = LockOptions("set", CHUNK, jobs=2, full=full)
        return lock(self.ledger, LocalSource(self.folder), options, racy_ns=racy_ns)

    def check(self, how: How = How.FULL, sample: int = 0) -> CheckResult:
        locked = store.load(self.ledger, store.find(self.ledger, "set"))
        return check(locked, LocalSource(self.folder), CheckOptions(how, sample, jobs=2)).result
