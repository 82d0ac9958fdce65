"""The environment a run starts in, looked at from outside it before anything of it executes.

The command waits half a second for that at most; what takes longer, as the first look at an environment
does, goes on beside the run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.errors import NotFoundError, VeristepError
from veristep.guard.env import injection, layout
from veristep.guard.env.layout import Layout
from veristep.guard.policy import Action
from veristep.supervise.boot import byte_code_folder
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.env import checking
from veristep.supervise.env.outside import Answer, Looking, Request

BEFORE_SECONDS = 0.5
# Where a policy lets no run start with what is found, there has to be an answer first.
BLOCKING_SECONDS = 60.0
# How long the end of a run may wait for the first look at an environment; later ones take less.
FINISH_SECONDS = 3.0
_OFF = "the policy turns it off"
_NOT_KNOWN = "which environment the command uses cannot be told before it runs"


class EnvironmentCheck(Check):
    """What is installed against what was published, and what stands before it."""

    name = "environment"

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._off = subject.policy.action("ENV") is Action.OFF
        self._going: list[Looking] = []
        self._answers: list[Answer] = []
        self._asked: set[str] = set()
        self._not_checked: dict[str, int] = {}

    def before(self) -> list[Finding]:
        """Look at the environment the command will be run by, if that can be told."""
        if self._off:
            return []
        executable = layout.interpreter_of(self._subject.command, self._subject.environment)
        if executable:
            self._start(executable)
        return self._collect(BLOCKING_SECONDS if self._may_refuse() else BEFORE_SECONDS)

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        """Look at the environment of a process that uses another."""
        if not self._off and line.get("type") == "environment" and line.get("executable"):
            self._start(str(line["executable"]))
        return []

    def look(self) -> list[Finding]:
        """Take what came meanwhile."""
        return self._collect(0)

    def finish(self) -> list[Finding]:
        """Wait a limited time for the rest."""
        found = self._collect(FINISH_SECONDS)
        for each in self._going:
            each.stop()
            self._leave_out("there was no time to look at the environment")
        self._going.clear()
        if not self._asked:
            self._leave_out(_OFF if self._off else _NOT_KNOWN)
        return found

    def coverage(self) -> Mapping[str, Tally]:
        """Return what was compared with what, over all environments of the run."""
        found: dict[str, Tally] = {}
        for answer in self._answers:
            for name, tally in answer.coverage.items():
                found[name] = _sum(found.get(name, Tally()), tally)
        if self._not_checked:
            total = sum(self._not_checked.values())
            found["environments"] = Tally(total, 0, dict(self._not_checked))
        return found

    def _may_refuse(self) -> bool:
        rules = self._subject.policy.rules.items()
        acting = (Action.PAUSE, Action.STOP, Action.BLOCK)
        return any(name.startswith("ENV") and action in acting for name, action in rules)

    def _start(self, executable: str) -> None:
        try:
            place = layout.of_executable(executable, self._subject.environment)
        except (NotFoundError, OSError):
            return
        if place.prefix in self._asked:
            return
        self._asked.add(place.prefix)
        try:
            self._going.append(Looking(self._request(place)))
        except VeristepError as error:
            self._leave_out(error.message)

    def _request(self, place: Layout) -> Request:
        subject = self._subject
        asked, _ = checking.request(
            subject.ledger,
            place,
            variables=variables(subject.environment, str(subject.boot)),
            cwd=str(subject.cwd),
            script_folder=script_folder(subject.command, subject.cwd),
            # Runs have byte code of their own.
            byte_code=False,
        )
        return asked

    def _collect(self, seconds: float) -> list[Finding]:
        found: list[Finding] = []
        for each in list(self._going):
            try:
                answer = each.answer(seconds)
            except VeristepError as error:
                self._going.remove(each)
                self._leave_out(error.message)
                continue
            if answer is not None:
                self._going.remove(each)
                self._answers.append(answer)
                found += answer.findings
        return found

    def _leave_out(self, why: str) -> None:
        self._not_checked[why] = self._not_checked.get(why, 0) + 1


def script_folder(command: Sequence[str], cwd: Path) -> str:
    """Return the folder that is searched for modules first: the script's, or the working directory."""
    for at, word in enumerate(command[1:], 1):
        if word in ("-m", "-c") and Path(command[0]).name.startswith("python"):
            return str(cwd)
        if word.endswith(".py") and (cwd / word).is_file() and command[at - 1] != "-m":
            return str((cwd / word).resolve().parent)
    return ""


def variables(environment: Mapping[str, str], boot: str = "") -> dict[str, str]:
    """Return the variables a command is started with that matter, less what a run puts there itself.

    Args:
        environment: it is started with.
        boot: the run's boot directory, if there is a run.
    """
    found = dict(environment)
    parts = [each for each in found.get("PYTHONPATH", "").split(os.pathsep) if not boot or each != boot]
    found["PYTHONPATH"] = os.pathsep.join(parts)
    if found.get("PYTHONPYCACHEPREFIX") == str(byte_code_folder(environment)):
        del found["PYTHONPYCACHEPREFIX"]
    wanted = ("PYTHON", "LD_", "HOME", "BASH_ENV")
    return {
        name: value
        for name, value in found.items()
        if name.startswith(wanted) or name in injection.VARIABLES
    }


def _sum(one: Tally, other: Tally) -> Tally:
    reasons = dict(one.not_checked)
    for why, count in other.not_checked.items():
        reasons[why] = reasons.get(why, 0) + count
    return Tally(one.total + other.total, one.checked + other.checked, reasons)
