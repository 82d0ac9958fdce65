"""Is this script replayable? Record its first steps, replay them, and say why not in its author's words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.core.verdicts import Verdict
from veristep.ledger.log import Ledger
from veristep.replay import audit as audits
from veristep.replay import recorded as records
from veristep.replay.audit import Audit
from veristep.replay.engines.inline import Inline
from veristep.replay.environment import byte_code, in_place
from veristep.replay.plan import intervals as plans
from veristep.replay.room.furnish import Origin, Room, furnish
from veristep.replay.room.prepare import RoomOptions, prepare
from veristep.replay.room.setting import Setting
from veristep.replay.sandbox import choose, landlock
from veristep.supervise import code, describe
from veristep.supervise.env import recorded as environments

STEPS = 12
INTERVAL = 4
POLL_SECONDS = 0.2
# How long a stopped command may take to end by itself.
STOP_SECONDS = 10.0
_RECORD = "import sys; from veristep.replay.check import record_main; sys.exit(record_main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of a script showed.

    Attributes:
        verdict: verified when its steps replay bit for bit.
        steps: optimizer steps that were recorded.
        reasons: why not, in words its author understands.
        advice: what to do about each reason.
        status: how the recorded command ended: None when it was stopped after enough steps.
        audit: the audit behind the verdict; None when there was nothing to audit.
    """

    verdict: Verdict
    steps: int
    reasons: tuple[str, ...]
    advice: tuple[str, ...]
    status: int | None
    audit: Audit | None


_ADVICE = {
    "state outside its tensors": "something the loss depends on is counted in plain Python (a step or "
    "epoch counter, an annealing weight). Keep it in a buffer or in the optimizer's hyperparameters",
    "not deterministic": "two executions of the same steps differ: look for random numbers seeded by "
    "the clock, for unordered parallel sums, and set torch.use_deterministic_algorithms(True)",
    "would write": "the script writes to a fixed place. Make the path relative to the working directory, "
    "or an argument",
    "fetches ahead": "let the model (or a loss module) receive the tensors that the loader yields",
    "too large to be kept": "a step's batches are larger than the tape keeps",
    "ended": "the script stops by itself before enough steps; its output says why",
    "could not be started": "the command does not start in a copy of its folder",
    "longer than": "the replayed script did not reach the steps in time: it may wait for something",
}


def check(command: Sequence[str], folder: Path, seconds: float) -> Checked:
    """Record the first steps of `command` into a ledger in `folder` and replay them.

    The command is stopped when enough steps are recorded. It runs in a copy of its working directory and
    can write nowhere else, so that nothing it does stays.
    """
    ledger_path = folder / "ledger"
    with Ledger.init(ledger_path) as ledger:
        room = _room(ledger, command)
    try:
        status, output = _record(room, ledger_path, seconds)
        return _judge(ledger_path, status, output)
    finally:
        room.remove()


def _judge(ledger_path: Path, status: int | None, output: str) -> Checked:
    with Ledger.open(ledger_path) as ledger:
        opened = list(ledger.entries(kind="run.opened"))
        if not opened:
            return Checked(Verdict.UNVERIFIED, 0, (output or "nothing was recorded",), (), status, None)
        run = records.load(ledger, opened[-1].run)
        plan = plans.make_plan(run)
        if not plan.intervals:
            return _nothing(run.steps, status, output)
        origin = records.origin(ledger, run)
        options = RoomOptions(in_place=True, allow_unsandboxed=True)
        auditor = audits.Auditor(ledger.objects, run, origin, prepare(ledger, run, origin, options))
        chosen = _telling(plan.intervals)
        audit = audits.summarise(plan, list(Inline(auditor).run(chosen)), auditor.facts, run.run)
        reasons = tuple(dict.fromkeys(each.reason for each in audit.judged if each.reason))
        notes = tuple(dict.fromkeys(note for each in audit.judged for note in each.notes))
        return Checked(audit.result.verdict, run.steps, reasons + notes, _advice(reasons), status, audit)


def _room(ledger: Ledger, command: Sequence[str]) -> Room:
    cwd = Path.cwd()
    origin = Origin(
        code=code.capture(ledger.objects, cwd, describe.repository(cwd)),
        cwd=str(cwd),
        command=list(command),
        environment=dict(os.environ),
        started_ns=time.time_ns(),
        written=frozenset(),
        preserved=(),
    )
    python = environments.RecordedPython(sys.executable, "", tuple(sys.path))
    interpreter = in_place.in_place(python, str(cwd), byte_code.folder())
    return furnish(ledger.objects, origin, Setting(choose.unsandboxed(), interpreter))


def _telling(intervals: Sequence[plans.Interval]) -> list[plans.Interval]:
    """Return the first interval, which starts by itself, and a later one, which needs a snapshot."""
    later = [each for each in intervals if each.start > 1]
    return [*intervals[:1], *later[:1]]


def _advice(reasons: Sequence[str]) -> tuple[str, ...]:
    found = [text for reason in reasons for key, text in _ADVICE.items() if key in reason]
    return tuple(dict.fromkeys(found))


def _nothing(steps: int, status: int | None, output: str) -> Checked:
    if status not in (None, 0):
        reason = f"the command ended with status {status} before a step could be recorded"
        if "Permission denied" in output or "Errno 13" in output:
            reason = "would write outside its working directory, which a replay does not allow"
        return Checked(
            Verdict.UNVERIFIED,
            steps,
            (reason, *output.splitlines()[-3:]),
            _advice([reason]),
            status,
            None,
        )
    reason = "the command took no optimizer step that Veristep sees"
    advice = "steps are seen when a torch.optim.Optimizer (or a subclass of it) is stepped"
    return Checked(Verdict.NOT_COVERED, steps, (reason,), (advice,), status, None)


def _record(room: Room, ledger: Path, seconds: float) -> tuple[int | None, str]:
    """Run the recorder as a process of its own and stop it when enough steps are there."""
    log = ledger.parent / "output.txt"
    contained = landlock.abi() > 0
    writable = [str(room.folder), str(ledger)]

    def restrict() -> None:
        if contained:
            landlock.restrict(writable)

    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _RECORD, str(ledger), *room.command],
            cwd=room.cwd,
            env={**room.environment, "XDG_RUNTIME_DIR": str(room.folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=restrict,  # noqa: PLW1509 - no thread of ours runs yet
        )
        stopped = _stop_after_steps(process, ledger, seconds)
    text = log.read_text(encoding="utf-8", errors="replace")
    return (None if stopped else process.returncode), text


def _stop_after_steps(process: subprocess.Popen[bytes], ledger: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    stopped = False
    while process.poll() is None:
        if not stopped and (_steps(ledger) >= STEPS or time.monotonic() > deadline):
            stopped = True
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
        elif stopped and time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return stopped


def _steps(ledger: Path) -> int:
    """Return how many steps the slowest stream of the run has put into its log."""
    counts: Mapping[str, int] = {}
    for path in ledger.glob("runs/*/log/*.jsonl"):
        counts = {}
        for line in path.read_bytes().splitlines():
            if b'"type":"step"' in line:
                name = line.partition(b'"stream":"')[2].partition(b'"')[0].decode()
                counts = {**counts, name: counts.get(name, 0) + 1}
    return min(counts.values(), default=0)


def record_main(arguments: Sequence[str]) -> int:
    """Record a command for `check`: the entry of the process `_record` starts."""
    from veristep.supervise.launcher import RunOptions, run

    ledger, *command = arguments
    options = RunOptions(Path(ledger), interval=INTERVAL, digests="full")
    return max(run(command, options).returncode, 0)
