"""What every check of a run has in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.policy import Policy
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.supervise.data.declared import Declared
from veristep.supervise.env.imports import Imports


@dataclass(frozen=True, slots=True)
class Subject:
    """The run that is checked.

    Attributes:
        run: its id.
        project: the project it belongs to.
        command: what is started.
        cwd: where.
        root: the folder of its code.
        environment: variables the command is started with.
        boot: the run's private boot directory.
        ledger: what is on record.
        policy: what is done about findings.
        data: the locked data that it says it reads.
        started_ns: when the run was opened.
        imports: what its processes imported, as the checks that hear of it note.
    """

    run: str
    project: str
    command: tuple[str, ...]
    cwd: Path
    root: Path
    environment: Mapping[str, str]
    boot: Path
    ledger: Ledger
    policy: Policy
    data: Declared = field(default_factory=Declared)
    started_ns: int = 0
    imports: Imports = field(default_factory=Imports)


class Check:
    """One check; a subclass does what it needs of these, quickly: all run on the supervisor's one thread.

    An error is caught by who calls it, and is a gap named after the check. What takes longer than some
    tens of milliseconds belongs on a thread of its own.
    """

    name = ""

    def before(self) -> list[Finding]:
        """Look before the command starts; it waits for this.

        No thread may be started here: it would take the signals that are to reach the training. Start it in
        the first `look`.
        """
        return []

    def started(self, pid: int) -> None:
        """Learn the process that the command was started as."""
        del pid

    def ended(self, returncode: int) -> None:
        """Learn how the command ended: as `subprocess` has it, negative for a signal."""
        del returncode

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Take in a line of the run's log."""
        del line
        return []

    def look(self) -> list[Finding]:
        """Look again; called about once a second."""
        return []

    def finish(self) -> list[Finding]:
        """Look a last time, after the command ended."""
        return []

    def entries(self, *, last: bool) -> list[Draft]:
        """Return what goes into the ledger beside findings; called about once a second.

        Args:
            last: whether this is the last time.
        """
        del last
        return []

    def coverage(self) -> Mapping[str, Tally]:
        """Return what was checked, and what not; empty when there was nothing to check."""
        return {}


Maker = Callable[[Subject], Check]
"""Makes a check of a run: the check's class, as a rule."""
