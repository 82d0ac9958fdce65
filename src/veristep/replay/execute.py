"""Starts one replay in a room and waits for its answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from veristep.record.config import RecordConfig
from veristep.record.reads import NOTES
from veristep.replay import causes, processes
from veristep.replay.order import Answer, Order
from veristep.replay.pretend import guise
from veristep.replay.room.furnish import Room
from veristep.replay.room.setting import Setting
from veristep.replay.sandbox.view import Launch, Mount, View
from veristep.supervise import boot

POLL_SECONDS = 0.05
# After the first rank has answered, how long the others may take.
OTHERS_SECONDS = 30.0
# How much of what a failed script printed is kept as the reason.
TAIL_BYTES = 4000
# A disk with less than this is full: an answer and a few printed lines need as much.
LEAST_ROOM_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of one replay.

    Attributes:
        answers: per stream.
        seconds: wall time.
        reason: why there are no answers, in words for people; empty when there are.
        output: the end of what the script printed.
        read: files it opened for reading, beside our own and its Python environment's.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    output: str = ""
    read: frozenset[str] = frozenset()


def execute(room: Room, order: Order, objects: Path, setting: Setting, time_limit: float) -> Execution:
    """Run the script of `room` as far as `order` asks, for at most `time_limit` seconds.

    Raises:
        UnavailableError: the sandbox cannot show all that the replay needs.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="replay-", dir=room.folder) as own:
        boot_folder = Path(own) / "boot"
        boot_folder.mkdir()
        results = Path(order.results)
        results.mkdir(exist_ok=True)
        view = whole_view(room, setting, (objects, Path(order.tape), order.parts))
        writable, read_only = _writes(room, view, setting)
        order = replace(order, writable=writable, read_only=read_only)
        order_path = boot_folder / "order.json"
        order.save(order_path)
        config = RecordConfig(
            run="replay",
            boot=str(boot_folder),
            directory=str(room.folder),
            objects=str(objects),
            package=boot.package_folder(),
            sink="veristep.replay.inside.driver_torch:build",
            extra=str(order_path),
        )
        boot.write(config)
        if order.guise:
            guise.tailor(boot_folder, order.guise)
        log = room.folder / "output.txt"
        environment = boot.environment(room.environment, config)
        believed = str(order.guise.get("host") or room.identity.host)
        identity = replace(room.identity, host=believed)
        launch = Launch(room.command, str(room.cwd), environment, view, identity, str(room.folder / "etc"))
        with log.open("wb") as output:
            try:
                process = setting.sandbox.start(launch, output)
            except (OSError, subprocess.SubprocessError) as error:
                why = getattr(error, "strerror", None) or str(error)
                return Execution(reason=f"the command could not be started: {why}")
            reason = _wait(process, results, list(order.streams), time_limit)
            _end(process)
        if reason and _full(room.folder):
            reason += f", {causes.NO_ROOM}"
        answers = {path.stem: Answer.load(path) for path in sorted(results.glob("*.json"))}
        seconds = time.monotonic() - began
        return Execution(answers, seconds, reason, _tail(log), _read(boot_folder))


def whole_view(room: Room, setting: Setting, evidence: Sequence[Path]) -> View:
    """Return all that a replay sees: its room, its Python environment, us, and its evidence."""
    interpreter = setting.interpreter
    seen = [*interpreter.readable, str(interpreter.byte_code), boot.package_folder()]
    seen += [str(path) for path in evidence]
    places = {place for path in seen if os.path.exists(path) for place in (path, os.path.realpath(path))}  # noqa: PTH110
    outer = [Mount(place, place) for place in sorted(places)]
    return View((*room.view.mounts, *outer, *_at_recorded_place(setting)))


def _at_recorded_place(setting: Setting) -> list[Mount]:
    """Show a rebuilt environment where the run's was: a shell script may name its programs."""
    interpreter = setting.interpreter
    if setting.mounted and interpreter.rebuilt and interpreter.virtual:
        return [Mount(interpreter.prefix, interpreter.recorded)]
    return []


def _writes(room: Room, view: View, setting: Setting) -> tuple[list[str], list[str]]:
    """Return what of the view the script may write to: with a root of its own, all but what is shown."""
    if not setting.mounted:
        return [str(room.folder)], []
    mounts = view.ordered()
    return (
        ["/", *(each.place for each in mounts if each.writable)],
        ["/usr", "/etc", *(each.place for each in mounts if not each.writable)],
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
            how = causes.ended(_status(process.returncode), starved)
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


def _full(folder: Path) -> bool:
    """Whether a disk takes no more: then what the script printed about it is not there either."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize < LEAST_ROOM_BYTES


def _status(returncode: int) -> int:
    """Return how the script ended: bubblewrap tells a signal the way a shell does."""
    return 128 - returncode if returncode > 128 else returncode


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


def _read(boot_folder: Path) -> frozenset[str]:
    """Return what the replay's processes noted of what they read; lines that are none say nothing."""
    try:
        lines = (boot_folder / NOTES).read_bytes().splitlines()
    except OSError:
        return frozenset()
    found = set()
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            _kind, path, _size, _mtime_ns, *_fetched = json.loads(line)
            found.add(str(path))
    return frozenset(found)


def _tail(log: Path) -> str:
    data = log.read_bytes()[-TAIL_BYTES:]
    return data.decode("utf-8", "replace")
