"""`--engine slurm`: an interval is a job (``sbatch``), its verdict a file beside the run.

The ledger's folder has to be on a file system that the nodes share; each job looks before it starts, and
says so when it does not see it. Partition, account and the like come from Slurm's own variables
(``SBATCH_PARTITION``, ``SBATCH_ACCOUNT``, ...). Jobs are asked after with ``squeue`` and, once gone,
``scontrol``; neither needs Slurm's accounting database.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import MalformedError, StorageError, UnavailableError
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines import evidence, footprint, remote
from veristep.replay.engines.protocol import ATTEMPTS, Options, merge, unverified
from veristep.replay.engines.remote import Answer
from veristep.replay.plan.intervals import Interval

# How often Slurm is asked; its controller serves everybody.
POLL_SECONDS = 1.0
# How long after a job has gone its answer may take to appear on a shared file system.
GRACE_SECONDS = 10.0
COMMAND_SECONDS = 60.0
# How many jobs are in the queue at once when nobody says.
DEFAULT_JOBS = 32
# A job judges with up to three replays; each has its own limit, this one is for what hangs beside them.
TIME_FACTOR = 4.0
_PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")


@dataclass(slots=True)
class _Job:
    """An interval on its way."""

    interval: Interval
    number: str = ""
    attempts: int = 0
    began: float = 0.0
    gone_since: float | None = None
    trouble: str = ""


class Slurm:
    """Judges as jobs of a Slurm cluster, a bounded number in the queue at once."""

    def __init__(self, auditor: Auditor, options: Options | None = None) -> None:
        self._auditor = auditor
        self._options = options or Options()
        self._facts: dict[str, Json] = dict(auditor.facts)
        self._jobs: list[_Job] = []
        _require()
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="slurm-", dir=auditor.run.directory))
        except OSError as error:
            raise StorageError(
                f"no folder for Slurm's jobs in {auditor.run.directory}: {error.strerror}",
                hint="the nodes hand their verdicts over there: make it writable, or use another engine",
            ) from error
        self._digest = remote.write_job(self._folder, auditor)

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in, as far as it is known by now."""
        return self._facts

    @property
    def numbers(self) -> list[str]:
        """The numbers of the jobs in the queue."""
        return [job.number for job in self._jobs]

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval, in the order in which they are done."""
        waiting = deque(_Job(interval) for interval in intervals)
        most = self._options.workers or DEFAULT_JOBS
        while waiting or self._jobs:
            while waiting and len(self._jobs) < most:
                self._submit(waiting.popleft())
            time.sleep(POLL_SECONDS)
            self._options.tick()
            queued = self._queued()
            for job in list(self._jobs):
                yield from self._look(job, queued, waiting)

    def close(self) -> None:
        """Cancel what is in the queue and remove the jobs' folder."""
        numbers = [job.number for job in self._jobs]
        if numbers:
            with suppress(UnavailableError):
                _slurm("scancel", *numbers)
        self._jobs = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def _submit(self, job: _Job) -> None:
        job.attempts += 1
        job.began, job.gone_since = time.monotonic(), None
        memory = self._options.memory or 2 * footprint.estimate(self._auditor.run, job.interval)
        minutes = 1 + int(TIME_FACTOR * self._auditor.time_limit(job.interval) / 60)
        words = remote.words(sys.executable, self._folder, self._digest, job.interval, self._answer(job))
        out = _slurm(
            "sbatch",
            "--parsable",
            "--no-requeue",
            "--job-name=veristep-audit",
            "--ntasks=1",
            f"--cpus-per-task={evidence.threads(self._auditor, job.interval)}",
            f"--mem={memory >> 20}M",
            f"--time={minutes}",
            f"--nice={self._options.nice}",
            f"--chdir={self._folder}",
            f"--output={self._folder}/%j.out",
            script="#!/bin/sh\nexec " + shlex.join(words) + "\n",
        )
        job.number = out.strip().partition(";")[0]
        self._jobs.append(job)
        self._options.started(job.interval)

    def _answer(self, job: _Job) -> Path:
        return self._folder / f"{job.interval.start}-{job.interval.stop}-{job.attempts}.json"

    def _queued(self) -> set[str]:
        numbers = ",".join(job.number for job in self._jobs)
        # A job that is no longer known makes squeue fail if it is the only one asked for.
        out = _slurm("squeue", "--noheader", "--format=%i %T", f"--jobs={numbers}", missing_ok=True)
        states = (line.split() for line in out.splitlines())
        return {each[0] for each in states if len(each) == 2 and each[1] in _ALIVE}

    def _look(self, job: _Job, queued: set[str], waiting: deque[_Job]) -> Iterator[Judged]:
        answer = self._read(job)
        if answer is None and job.number in queued:
            job.gone_since = None
            return
        if answer is None:
            job.gone_since = job.gone_since or time.monotonic()
            if time.monotonic() - job.gone_since < GRACE_SECONDS and self._ended(job) == _COMPLETED:
                return
            job.trouble = f"job {job.number} ended as {self._ended(job)}"
        self._jobs.remove(job)
        if answer is not None and answer.judged is not None:
            merge(self._facts, answer.facts)
            yield answer.judged
            return
        if answer is not None:
            job.trouble = answer.trouble
        if answer is not None and answer.unseen:
            raise UnavailableError(
                f"the Slurm engine needs a file system that its nodes share: {answer.trouble}",
                hint="put the ledger on one (--ledger), or use --engine local or ray",
            )
        if job.attempts < ATTEMPTS:
            waiting.append(job)
            return
        reason = f"no Slurm job judged it in {job.attempts} attempts: the last {_without_number(job)}"
        yield unverified(job.interval, reason, time.monotonic() - job.began)

    def _read(self, job: _Job) -> Answer | None:
        try:
            return remote.read_answer(self._answer(job))
        except MalformedError as error:
            return Answer("", trouble=error.message)

    def _ended(self, job: _Job) -> str:
        out = _slurm("scontrol", "--oneliner", "show", "job", job.number, missing_ok=True)
        fields = dict(word.partition("=")[::2] for word in out.split())
        return fields.get("JobState", "unknown to Slurm")


_ALIVE = frozenset(
    {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "REQUEUED", "RESIZING"}
)
_COMPLETED = "COMPLETED"


def _require() -> None:
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        raise UnavailableError(
            f"Slurm is not here: {', '.join(missing)} not found",
            hint="run the audit on a node that submits jobs, or use --engine local",
        )
    _slurm("squeue", "--noheader", "--me")


def _slurm(program: str, *words: str, script: str | None = None, missing_ok: bool = False) -> str:
    try:
        done = subprocess.run(
            [program, *words],
            input=script or "",
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(
            f"{program} does not answer: {error}", hint="is Slurm up? try sinfo"
        ) from error
    if done.returncode and not (missing_ok and "Invalid job id" in done.stderr):
        said = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise UnavailableError(f"{program} failed: {said[0]}", hint="is Slurm up? try sinfo")
    return done.stdout


def _without_number(job: _Job) -> str:
    """Return what happened without the job's number: a verdict is the same whichever job it was."""
    return job.trouble.replace(f"job {job.number} ", "")
