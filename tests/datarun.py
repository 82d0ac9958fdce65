"""The check of a run's data, driven by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from locked_data import Data
from veristep.core.verdicts import Finding
from veristep.guard.policy import Policy
from veristep.record.reads import NOTES
from veristep.supervise.checks.data import DataCheck
from veristep.supervise.checks.protocol import Subject
from veristep.supervise.data.declared import look_up


class DataRun:
    """A run's check, driven by hand."""

    def __init__(self, data: Data, *names: str) -> None:
        self.data = data
        self.boot = data.folder.parent / "boot"
        self.boot.mkdir()
        here = data.folder.parent
        declared = look_up(data.ledger, names or ("set",), here)
        subject = Subject(
            "r", "p", ("x",), here, here, {}, self.boot, data.ledger, Policy(), declared, time.time_ns()
        )
        self.check = DataCheck(subject)
        self.found: list[Finding] = list(self.check.before())

    def step(self, number: int) -> None:
        self.check.hear({"type": "step", "step": number})

    def opened(self, path: Path, *, size: int | None = None) -> None:
        status = path.stat()
        line = ["read", str(path), status.st_size if size is None else size, status.st_mtime_ns]
        with (self.boot / NOTES).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def until(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not ready():
            assert time.monotonic() < deadline
            self.found += self.check.look()
            time.sleep(0.01)

    def swept(self) -> None:
        self.until(lambda: self.check._watching is not None and self.check._watching.swept)
        assert self.check._watching is not None
        self.check._watching._swept.clear()
        self.until(lambda: self.check._watching is not None and self.check._watching.swept)

    def end(self) -> list[Finding]:
        self.found += self.check.finish()
        return self.found
