"""Starts one replay in a room and waits for its answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from veristep.record.config import RecordConfig
from veristep.replay import causes, guise, landlock, processes
from veristep.replay.order import Answer, Order
from veristep.replay.room import Room
from veristep.supervise import boot

POLL_SECONDS = 0.05
# After the first rank has answered, how long the others may take.
OTHERS_SECONDS = 30.0
# How much of what a failed script printed is kept as the reason.
TAIL_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one replay.

    Attributes:
        answers: per stream.
        seconds: wall time.
        reason: why there are no answers, in words for people; empty when there are.
        output: the end of what the script printed.
        kernel_contained: whether the kernel too refused writes outside the room.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    output: str = ""
    kernel_contained: bool = False


def execute(room: Room, order: Order, objects: Path, time_limit: float) -> Execution:
    """Run the script of `room` as far as `order` asks, for at most `time_limit` seconds."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="replay-", dir=room.folder) as own:
        boot_folder = Path(own) / "boot"
        boot_folder.mkdir()
        results = Path(order.results)
        results.mkdir(exist_ok=True)
        order_path = boot_folder / "order.json"
        order.save(order_path)
        config = RecordConfig(
            run="replay",
            boot=str(boot_folder),
            directory=str(room.folder),
            objects=str(objects),
            package=boot.package_folder(),
            sink="veristep.replay.driver_torch:build",
            extra=str(order_path),
        )
        boot.write(config)
        if order.guise:
            guise.tailor(boot_folder, order.guise)
        log = room.folder / "output.txt"
        contained = landlock.abi() > 0
        with log.open("wb") as output:
            try:
                process = _start(room, config, order, output, contained=contained)
            except OSError as error:
                return Execution(reason=f"the command could not be started: {error.strerror}")
            reason = _wait(process, results, list(order.streams), time_limit)
            _end(process)
        answers = {path.stem: Answer.load(path) for path in sorted(results.glob("*.json"))}
        seconds = time.monotonic() - began
        return Execution(answers, seconds, reason, _tail(log), contained)


def _start(
    room: Room, config: RecordConfig, order: Order, output: IO[bytes], *, contained: bool
) -> subprocess.Popen[bytes]:
    environment = boot.environment(room.environment, config)

    def restrict() -> None:
        if contained:
            landlock.restrict(order.writable)

    # preexec_fn is safe here: the auditing process starts replays from its only thread.
    return subprocess.Popen(
        room.command,
        cwd=room.cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=restrict,  # noqa: PLW1509
    )


def _wait(process: subprocess.Popen[bytes], results: Path, streams: list[str], time_limit: float) -> str:
    """Wait until every stream has answered; return why not, if not."""
    deadline = time.monotonic() + time_limit
    out_of_memory = processes.out_of_memory_kills()
    first_answer: float | None = None
    while True:
        answered = {path.stem for path in results.glob("*.json")}
        if answered.issuperset(streams) or any(name.startswith("before-") for name in answered):
            return ""
        now = time.monotonic()
        if process.poll() is not None:
            missing = sorted(set(streams) - answered)
            if {path.stem for path in results.glob("*.json")}.issuperset(streams):
                return ""
            starved = processes.out_of_memory_kills() > out_of_memory
            how = causes.ended(process.returncode, starved)
            return f"the script {how} before rank {', '.join(missing)} answered"
        if answered and first_answer is None:
            first_answer = now
        if first_answer is not None and now - first_answer > OTHERS_SECONDS:
            return f"ranks {sorted(set(streams) - answered)} did not answer"
        if now > deadline:
            return (
                f"the replay took longer than {time_limit:.0f} s and was ended: it may wait for something; "
                "--time-limit gives it longer"
            )
        time.sleep(POLL_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End every process of the replay, also one that left its session or does not heed SIGTERM."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    strays = processes.tree(process.pid)[1:]
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        time.sleep(POLL_SECONDS)
    processes.kill(strays)
    process.wait()


def _tail(log: Path) -> str:
    data = log.read_bytes()[-TAIL_BYTES:]
    return data.decode("utf-8", "replace")
