"""`--engine local`: a pool of processes on this machine, as many as memory allows."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from veristep.core.canonical import Json
from veristep.replay import causes, processes
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines import footprint, worker
from veristep.replay.engines.protocol import ATTEMPTS, Done, Options, merge, unverified
from veristep.replay.plan.intervals import Interval

# How often the memory of running replays is looked at.
LOOK_SECONDS = 0.5
# What is added to the memory measured, for the replay that takes a little more than those before.
HEADROOM = 1.15


@dataclass(slots=True)
class _Task:
    """An interval on its way, with how often it has been tried."""

    interval: Interval
    attempts: int = 0
    began: float = 0.0


@dataclass(slots=True)
class _Worker:
    """A process, the way to talk to it, and what it is doing."""

    process: BaseProcess
    pipe: Connection
    scratch: Path
    task: _Task | None = None
    peak: int = 0
    processor: float = 0.0
    processor_before: float = 0.0


@dataclass(slots=True)
class _Measured:
    """What replays were seen to take, per number of processes in them."""

    peaks: dict[int, int] = field(default_factory=dict)

    def add(self, streams: int, peak: int) -> None:
        self.peaks[streams] = max(self.peaks.get(streams, 0), peak)

    def expected(self, streams: int) -> int | None:
        peak = self.peaks.get(streams)
        return int(peak * HEADROOM) if peak else None


class Local:
    """A pool of worker processes, each judging one interval at a time.

    No replay starts unless what it is expected to take fits beside those that run: estimated from the
    snapshots' size at first, measured afterwards. A replay that grows beyond the bound all the same is
    ended, and its interval is unverified.
    """

    def __init__(self, auditor: Auditor, options: Options | None = None) -> None:
        self._auditor = auditor
        self._options = options or Options()
        self._pickled = pickle.dumps(auditor)
        self._memory = self._options.memory or footprint.available()
        self._count = self._options.workers or _default_workers(auditor)
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._measured = _Measured()
        self._facts: dict[str, Json] = dict(auditor.facts)
        self._processor = 0.0

    @property
    def processor_seconds(self) -> float:
        """What all replays so far have taken, those that were ended included."""
        return self._processor

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in, as far as it is known by now."""
        return self._facts

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [each.process.pid or 0 for each in self._workers]

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval, in the order in which they are done."""
        waiting = deque(_Task(interval) for interval in intervals)
        while waiting or any(each.task for each in self._workers):
            self._hand_out(waiting)
            yield from self._collect(waiting)
            self._options.tick()

    def close(self) -> None:
        """End every worker, and every replay they have started."""
        for each in self._workers:
            self._end(each)
        self._workers = []

    def _hand_out(self, waiting: deque[_Task]) -> None:
        while waiting:
            running = [each for each in self._workers if each.task is not None]
            wanted = self._expected(waiting[0].interval)
            if len(running) >= self._count:
                return
            # One may always start: an estimate is no reason to audit nothing.
            if running and sum(map(self._reserved, running)) + wanted > self._memory:
                return
            idle = [each for each in self._workers if each.task is None]
            chosen = idle[0] if idle else self._start()
            task = waiting.popleft()
            task.attempts += 1
            task.began = time.monotonic()
            chosen.task, chosen.peak, chosen.processor = task, 0, 0.0
            chosen.processor_before = processes.processor_seconds(chosen.process.pid or 0)
            self._options.started(task.interval)
            with suppress(OSError):  # a worker that is gone is noticed, and the task tried again
                chosen.pipe.send(task.interval)

    def _collect(self, waiting: deque[_Task]) -> Iterator[Judged]:
        busy = [each for each in self._workers if each.task is not None]
        ready = connection.wait([each.pipe for each in busy], LOOK_SECONDS)
        for one in (each for each in busy if each.pipe in ready):
            task = one.task
            assert task is not None
            done = self._receive(one)
            if done is not None:
                one.task = None
                self._processor += max(done.processor, one.processor)
                self._measured.add(len(task.interval.streams), one.peak)
                merge(self._facts, done.facts)
                yield done.judged
            elif (judged := self._lost(one, task, waiting)) is not None:
                yield judged
        yield from self._look()

    def _receive(self, one: _Worker) -> Done | None:
        """Return what a worker sends, or None when it is gone."""
        try:
            answer = one.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer if isinstance(answer, Done) else None

    def _lost(self, one: _Worker, task: _Task, waiting: deque[_Task]) -> Judged | None:
        """Try the interval of a worker that died again, elsewhere; say so when that was in vain."""
        one.process.join(1.0)
        how = causes.ended(one.process.exitcode)
        self._processor += one.processor
        self._end(one)
        self._workers.remove(one)
        if task.attempts < ATTEMPTS:
            waiting.append(task)
            return None
        reason = (
            f"the judging process {how}, {task.attempts} times: see the kernel's log, or use fewer workers"
        )
        return unverified(task.interval, reason, time.monotonic() - task.began)

    def _look(self) -> Iterator[Judged]:
        """Measure what runs, and end what takes more than there is."""
        for one in list(self._workers):
            if one.task is None or one.process.pid is None:
                continue
            now = processes.resident(one.process.pid)
            one.peak = max(one.peak, now)
            used = processes.processor_seconds(one.process.pid) - one.processor_before
            one.processor = max(one.processor, used)
            if now <= self._memory:
                continue
            interval, began = one.task.interval, one.task.began
            self._processor += one.processor
            self._end(one)
            self._workers.remove(one)
            reason = f"the replay took more memory than the {_size(self._memory)} it may: raise --memory"
            yield unverified(interval, reason, time.monotonic() - began)

    def _expected(self, interval: Interval) -> int:
        measured = self._measured.expected(len(interval.streams))
        return measured or footprint.estimate(self._auditor.run, interval)

    def _reserved(self, one: _Worker) -> int:
        assert one.task is not None
        return max(one.peak, self._expected(one.task.interval))

    def _start(self) -> _Worker:
        # Short, because sockets below it have 108 bytes for their path.
        scratch = Path(os.path.realpath(tempfile.mkdtemp(prefix="vse-")))
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=worker.serve,
            args=(theirs, self._pickled, str(scratch), self._options.nice, os.getpid()),
            name="veristep-judge",
            daemon=False,
        )
        process.start()
        theirs.close()
        started = _Worker(process, ours, scratch)
        self._workers.append(started)
        return started

    def _end(self, one: _Worker) -> None:
        if one.process.pid is not None and one.process.is_alive():
            processes.end_tree(one.process.pid)
        one.process.join()
        one.process.close()
        one.pipe.close()
        shutil.rmtree(one.scratch, ignore_errors=True)


def _default_workers(auditor: Auditor) -> int:
    """Return how many replays this machine's processors can carry, each with the threads it had."""
    first = [stream for stream in auditor.run.streams.values() if stream.steps and not stream.restart]
    threads = sum(int(stream.platform.get("threads") or 1) for stream in first)
    return max(1, len(os.sched_getaffinity(0)) // max(1, threads))


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"
