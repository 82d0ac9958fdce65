"""`--engine ray`: intervals as tasks of a Ray cluster, with what they need from the ledger if need be.

Without ``RAY_ADDRESS`` a cluster is started on this machine for the audit. Where a worker does not see the
ledger's folder, snapshots, tape and code travel through Ray's object store; they are checked against their
digests where they are used, so the way they came proves nothing and need not.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.errors import UnavailableError
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines import evidence, footprint, remote, wire
from veristep.replay.engines.protocol import ATTEMPTS, Options, merge, unverified
from veristep.replay.engines.remote import Answer
from veristep.replay.plan.intervals import Interval

# How long is waited for one of the tasks before they are looked at again.
WAIT_SECONDS = 1.0


@dataclass(slots=True)
class _Task:
    """An interval on its way."""

    interval: Interval
    attempts: int = 0
    shipped: bool = False
    began: float = 0.0


class Ray:
    """Judges on a Ray cluster, a bounded number of intervals at once."""

    def __init__(self, auditor: Auditor, options: Options | None = None) -> None:
        self._auditor = auditor
        self._options = options or Options()
        self._ray = _import()
        self._undo = ExitStack()
        # Ray tells of lost workers on standard output, in a thread of its own, whatever it is asked; what
        # is printed there is the verdict's.
        self._undo.enter_context(redirect_stdout(io.StringIO()))
        self._facts: dict[str, Json] = dict(auditor.facts)
        self._shipping = False
        self._mine = not self._ray.is_initialized()
        try:
            if self._mine:
                self._connect()
        except BaseException:
            self._undo.close()
            raise
        self._handed = self._ray.put(_Handed.of(auditor))
        self._judge = self._ray.remote(num_cpus=1, max_retries=0)(judge_task)

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in, as far as it is known by now."""
        return self._facts

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval, in the order in which they are done."""
        waiting = deque(_Task(interval) for interval in intervals)
        running: dict[Any, _Task] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self._at_once(waiting[0].interval):
                    task = waiting.popleft()
                    running[self._submit(task)] = task
                ready, _ = self._ray.wait(list(running), num_returns=1, timeout=WAIT_SECONDS)
                self._options.tick()
                for each in ready:
                    yield from self._finish(each, running.pop(each), waiting)
        finally:
            for each in running:
                self._ray.cancel(each, force=True)

    def close(self) -> None:
        """Let the cluster go; one that was started for the audit ends."""
        if self._mine and self._ray.is_initialized():
            self._ray.shutdown()
        self._undo.close()

    def _connect(self) -> None:
        try:
            self._ray.init(
                include_dashboard=False,
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
                **_where(self._options.workers),
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = os.environ.get("RAY_ADDRESS")
            raise UnavailableError(
                f"no Ray cluster at {where}: {error}" if where else f"Ray does not start: {error}",
                hint="start one (ray start --head), name it in RAY_ADDRESS, or use --engine local",
            ) from error

    def _at_once(self, interval: Interval) -> int:
        most = self._options.workers or int(self._ray.cluster_resources().get("CPU", 1))
        if self._options.memory:
            most = min(most, self._options.memory // footprint.estimate(self._auditor.run, interval))
        return max(1, most)

    def _submit(self, task: _Task) -> Any:
        task.attempts += 1
        task.began = time.monotonic()
        task.shipped = self._shipping
        self._options.started(task.interval)
        files = self._files(task.interval) if task.shipped else {}
        # References inside a mapping are not fetched before the worker asks for them.
        return self._judge.remote([self._handed], wire.dump(task.interval), files)

    def _files(self, interval: Interval) -> dict[str, Any]:
        ledger = evidence.ledger(self._auditor)
        return {
            str(path.relative_to(ledger)): self._ray.put(path.read_bytes())
            for path in evidence.files(self._auditor, interval)
        }

    def _finish(self, reference: Any, task: _Task, waiting: deque[_Task]) -> Iterator[Judged]:
        try:
            answer = wire.load(Answer, self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            answer = Answer("", trouble=f"the worker was lost: {_first_line(error)}")
        if answer.judged is not None:
            merge(self._facts, answer.facts)
            yield answer.judged
        elif answer.unseen and not task.shipped:
            self._shipping = True
            task.attempts -= 1
            waiting.append(task)
        elif task.attempts < ATTEMPTS:
            waiting.append(task)
        else:
            reason = f"no Ray worker judged it in {task.attempts} attempts: {answer.trouble}"
            yield unverified(task.interval, reason, time.monotonic() - task.began)


@dataclass(frozen=True, slots=True)
class _Handed:
    """A job's description, as it travels."""

    data: bytes
    digest: str

    @classmethod
    def of(cls, auditor: Auditor) -> _Handed:
        with tempfile.TemporaryDirectory() as folder:
            digest = remote.write_job(Path(folder), auditor)
            return cls((Path(folder) / remote.JOB_FILE).read_bytes(), digest)


def judge_task(
    handed: Sequence[Any], interval: Mapping[str, Any], files: Mapping[str, Any]
) -> dict[str, Any]:
    """Judge an interval: what a Ray worker does. `files` are those of the ledger, by their place in it."""
    import ray

    with tempfile.TemporaryDirectory(prefix="vsr-ray-") as scratch:
        folder = Path(scratch)
        job: _Handed = ray.get(handed[0])
        (folder / remote.JOB_FILE).write_bytes(job.data)
        ledger = folder / "ledger"
        for name, reference in files.items():
            target = ledger / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(ray.get(reference))
        wanted = wire.load(Interval, dict(interval))
        answer = folder / "answer.json"
        words = remote.words(sys.executable, folder, job.digest, wanted, answer)
        environment = {**os.environ, remote.PARENT: str(os.getpid())}
        if files:
            environment[remote.LEDGER] = str(ledger)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        found = remote.read_answer(answer)
        if found is None:
            last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
            found = Answer(os.uname().nodename, trouble=f"the judging process ended: {last[0]}")
        result: dict[str, Any] = wire.dump(found)
        return result


def _import() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UnavailableError(
            "Ray is not installed here",
            hint="pip install 'veristep[ray]', or use --engine local",
        ) from error
    return ray


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


def _where(workers: int) -> dict[str, Any]:
    """Return which cluster to use: the one the user names, else one of this audit's own.

    Left to itself Ray takes the cluster it last heard of on this machine, gone or not.
    """
    if os.environ.get("RAY_ADDRESS"):
        return {}
    return {"address": "local", "num_cpus": workers or None}
