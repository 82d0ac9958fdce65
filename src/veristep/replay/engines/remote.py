"""The process that judges one interval on another machine, for the engines that reach there.

::

    python -m veristep.replay.engines.remote FOLDER DIGEST INTERVAL ANSWER

`FOLDER` holds the job (a pickled `Auditor`), `DIGEST` is what its SHA-256 has to be, `INTERVAL` is an
interval as JSON, `ANSWER` the file the verdict is written to, whole or not at all. A process of its own,
because a replay is started between fork and exec, which is safe from a single thread only.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import MalformedError, VeristepError
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines import evidence, wire
from veristep.replay.engines.protocol import Done, judge
from veristep.replay.engines.worker import die_with
from veristep.replay.plan.intervals import Interval

JOB_FILE = "auditor.pickle"
MODULE = "veristep.replay.engines.remote"
# Variables of the process: who has to live for it to go on, and where a copy of the ledger lies.
PARENT = "VERISTEP_JUDGE_PARENT"
LEDGER = "VERISTEP_JUDGE_LEDGER"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a remote process writes down.

    Attributes:
        host: where it ran.
        judged: the verdict; None when the ledger is not to be seen from there, or the job is not the one
            that was handed out.
        facts: what the replay ran in.
        trouble: why there is no verdict.
        unseen: whether that is because the ledger is not there.
    """

    host: str
    judged: Judged | None = None
    facts: dict[str, Json] = field(default_factory=dict)
    trouble: str = ""
    unseen: bool = False

    @property
    def done(self) -> Done | None:
        """The verdict, if there is one."""
        return Done(self.judged, self.facts) if self.judged is not None else None


def write_job(folder: Path, auditor: Auditor) -> str:
    """Put a job into a folder that nobody else may write, and return its digest."""
    data = pickle.dumps(auditor)
    (folder / JOB_FILE).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def words(python: str, folder: Path, digest: str, interval: Interval, answer: Path) -> list[str]:
    """Return the command line that judges an interval."""
    return [python, "-m", MODULE, str(folder), digest, json.dumps(wire.dump(interval)), str(answer)]


def read_answer(path: Path) -> Answer | None:
    """Return what was answered; None when nothing was.

    Raises:
        MalformedError: that is not an answer.
    """
    try:
        return wire.load(Answer, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise MalformedError(f"{path} is not a verdict: {error}") from error


def answer(folder: Path, digest: str, interval: Interval) -> Answer:
    """Judge an interval as the job in `folder` says."""
    host = os.uname().nodename
    data = (folder / JOB_FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        return Answer(host, trouble="the job's description was changed on the way")
    auditor: Auditor = pickle.loads(data)  # noqa: S301 - the digest is that of what we wrote
    copied = os.environ.get(LEDGER)
    auditor = auditor.elsewhere(ledger=Path(copied) if copied else None)
    if not evidence.is_seen(auditor):
        return Answer(
            host, trouble=f"{evidence.ledger(auditor)} is not to be seen from {host}", unseen=True
        )
    done = judge(auditor, interval)
    return Answer(host, done.judged, dict(done.facts))


def main(arguments: Sequence[str]) -> int:
    """Judge one interval and write the answer down."""
    folder, digest, interval, target = arguments
    if PARENT in os.environ:
        die_with(int(os.environ[PARENT]))
    # What ends a job politely ends its replay too: the way out of `finally`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    path = Path(target)
    with tempfile.TemporaryDirectory(prefix="vse-") as scratch:
        tempfile.tempdir = os.path.realpath(scratch)
        try:
            found = answer(Path(folder), digest, wire.load(Interval, json.loads(interval)))
        except (VeristepError, OSError) as error:
            found = Answer(os.uname().nodename, trouble=str(error))
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(wire.dump(found), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
