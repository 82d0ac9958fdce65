"""`veristep run`: start a training command, hear it, seal what it says, end as it ends.

Nothing that goes wrong here may reach the training: when the ledger cannot be used the command runs bare,
and when it fails later on the run goes on and the gap is recorded, or told once on stderr.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import UsageError, VeristepError
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import RunKey, RunLogWriter
from veristep.record.channel import complain
from veristep.record.config import SOCKET_NAME, RecordConfig
from veristep.record.shared import heartbeats
from veristep.supervise import boot, code, describe
from veristep.supervise.child import Child, Received
from veristep.supervise.receiver import Receiver

SEAL_SECONDS = 10.0
SEAL_LINES = 5000
# After the command has ended, how long its processes may take to say their last lines.
DRAIN_SECONDS = 3.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to record a run.

    Attributes:
        ledger: the ledger's directory.
        project: the project the run belongs to.
        interval: steps between snapshots; 0 lets the measured cost decide.
        digests: ``auto`` or ``full``.
        snapshot_share: fraction of training time snapshots may cost.
    """

    ledger: Path
    project: str = ""
    interval: int = 0
    digests: str = "auto"
    snapshot_share: float = 0.005


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        returncode: as `subprocess` has it: negative for a signal.
        run: the run's id; empty when nothing was recorded.
        steps: step records sealed.
        gaps: places where something is missing.
        lines: a receipt for people.
    """

    returncode: int
    run: str = ""
    steps: int = 0
    gaps: int = 0
    lines: tuple[str, ...] = ()


@dataclass(slots=True)
class _Opened:
    """A run that is being recorded."""

    run: str
    ledger: Ledger
    config: RecordConfig
    log: RunLogWriter
    receiver: Receiver
    project: str
    signals: deque[Received] = field(default_factory=deque)
    sealed_at: float = field(default_factory=time.monotonic)
    unsealed: int = 0
    steps_sealed: int = 0
    told: bool = False


def run(command: Sequence[str], options: RunOptions) -> Ended:
    """Run `command`, recorded if at all possible, and return how it ended.

    Raises:
        UsageError: there is no such command.
    """
    _require(command)
    opened = _try_open(command, options)
    if opened is None:
        child = Child(command, None, lambda _received: None)
        child.process.wait()
        child.close()
        return Ended(child.process.returncode)
    try:
        environment = boot.environment(os.environ, opened.config)
        child = Child(command, environment, opened.signals.append)
        _attend(opened, child)
        child.close()
        return _close(opened, child.process.returncode)
    finally:
        shutil.rmtree(opened.config.boot, ignore_errors=True)
        opened.ledger.close()


def _require(command: Sequence[str]) -> None:
    if not command:
        raise UsageError(
            "no command after --", hint="for example: veristep run -- torchrun train.py"
        )
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"command {command[0]!r} does not exist or cannot be executed",
            hint="check its spelling; a script without execute permission runs with: "
            f"veristep run -- python {command[0]}",
        )


def _try_open(command: Sequence[str], options: RunOptions) -> _Opened | None:
    try:
        return _open(list(command), options)
    except (VeristepError, OSError) as error:
        hint = getattr(error, "hint", "")
        complain(f"not recording: {error}{'; ' + hint if hint else ''}; the command runs without us")
        return None


def _open(command: list[str], options: RunOptions) -> _Opened:
    ledger = Ledger.open(options.ledger, create=True)
    folder = boot.make_folder()
    try:
        run_id = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        key = RunKey.generate()
        directory = ledger.run_dir(run_id)
        cwd = Path.cwd()
        repository = describe.repository(cwd)
        files = code.capture(ledger.objects, cwd, repository)
        config = RecordConfig(
            run=run_id,
            boot=str(folder),
            directory=str(directory),
            objects=str(ledger.path / "objects"),
            package=boot.package_folder(),
            interval=options.interval,
            digests=options.digests,
            snapshot_share=options.snapshot_share,
            root=files.root,
            watch=(files.root, str(cwd)),
        )
        boot.write(config)
        project = options.project or Path(files.root).name
        body = _description(command, options, project, key, ledger, files, repository, cwd)
        sensitive = frozenset({"command", "cwd", "host", "user", "repository", "project"})
        ledger.append(Draft("run.opened", body, run_id, project, sensitive))
        log = RunLogWriter(directory / "log", run_id, key)
        opened: _Opened

        def keep(data: bytes) -> None:
            _keep(opened, data)

        receiver = Receiver(folder / SOCKET_NAME, keep)
        opened = _Opened(run_id, ledger, config, log, receiver, project)
        return opened
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        ledger.close()
        raise


def _description(
    command: list[str],
    options: RunOptions,
    project: str,
    key: RunKey,
    ledger: Ledger,
    files: code.Code,
    repository: describe.Repository | None,
    cwd: Path,
) -> dict[str, Json]:
    machine = describe.host()
    kept = [file for file in files.files if file.object]
    git: dict[str, Json] = {}
    environment: Mapping[str, Json] = describe.redact(dict(os.environ))
    objects: dict[str, Json] = {
        "environment": ledger.objects.put(_encoded(environment)),
        "code": ledger.objects.put(files.to_bytes()),
    }
    if repository is not None:
        git = {
            "root": repository.root,
            "commit": repository.commit,
            "branch": repository.branch,
            "changed": bool(repository.diff),
        }
        if repository.diff:
            objects["diff"] = ledger.objects.put(repository.diff)
    return {
        "run_key": key.public_hex,
        "command": describe.redact_arguments(command),
        "cwd": str(cwd),
        "objects": objects,
        "repository": git,
        "code_files": len(files.files),
        "code_kept": len(kept),
        "code_complete": files.complete,
        "host": machine.pop("host"),
        "user": machine.pop("user"),
        "hardware": machine,
        "pid": os.getpid(),
        "started_ns": time.time_ns(),
        "interval": options.interval,
        "digests": options.digests,
        "project": project,
    }


def _encoded(value: Mapping[str, Json]) -> bytes:
    from veristep.core.canonical import encode

    return encode({key: str(item).encode("utf-8", "replace").decode() for key, item in value.items()})


def _attend(opened: _Opened, child: Child) -> None:
    """Hear the run until its command has ended and its processes have said their last lines."""
    deadline: float | None = None
    while True:
        try:
            opened.receiver.poll(POLL_SECONDS)
            _note_signals(opened)
            if _seal_is_due(opened):
                _seal(opened)
        except (VeristepError, OSError) as error:
            _tell(opened, error)
        if deadline is None and child.exited():
            deadline = time.monotonic() + DRAIN_SECONDS
        if deadline is not None and (not opened.receiver.clients or time.monotonic() > deadline):
            return


def _keep(opened: _Opened, data: bytes) -> None:
    try:
        opened.log.append(data)
        opened.unsealed += 1
    except (VeristepError, OSError) as error:
        _tell(opened, error)


def _note_signals(opened: _Opened) -> None:
    while opened.signals:
        received = opened.signals.popleft()
        opened.receiver.own(
            {
                "type": "signal",
                "signal": received.signal,
                "sender_pid": received.pid,
                "sender_uid": received.uid,
                "forwarded": received.forwarded,
            }
        )


def _seal_is_due(opened: _Opened) -> bool:
    waited = time.monotonic() - opened.sealed_at
    return opened.unsealed >= SEAL_LINES or waited >= SEAL_SECONDS


def _seal(opened: _Opened) -> None:
    """Seal what was heard; a quiet run gets a heartbeat, so that its silence is told from its end."""
    opened.sealed_at = time.monotonic()
    heard = opened.receiver.heard
    if not opened.unsealed:
        opened.receiver.own({"type": "heartbeat"})
    segment = opened.log.seal()
    if segment is None:
        return
    opened.unsealed = 0
    artifacts, heard.artifacts = heard.artifacts, []
    steps: dict[str, Json] = {name: state.next_step for name, state in heard.streams.items()}
    drafts = [
        Draft(
            "segment.sealed",
            {"segment": segment.to_json(), "steps": steps, "gaps": heard.gaps},
            opened.run,
            opened.project,
        )
    ]
    drafts += [
        Draft(
            "artifact.written",
            {key: value for key, value in line.items() if key not in ("prev", "seq", "type")},
            opened.run,
            opened.project,
            frozenset({"path"}),
        )
        for line in artifacts
    ]
    opened.ledger.append(*drafts)
    opened.steps_sealed = sum(state.steps for state in heard.streams.values())


def _close(opened: _Opened, returncode: int) -> Ended:
    """Account for what is missing, seal the rest and close the run."""
    receiver = opened.receiver
    heard = receiver.heard
    try:
        for stream, missing in _unheard(opened).items():
            heard.gaps += 1
            receiver.own(
                {
                    "type": "gap",
                    "what": "steps",
                    "of": stream,
                    "reason": f"{missing} steps were taken and never told",
                }
            )
        receiver.own({"type": "exit", "returncode": returncode})
        receiver.close()
        _seal(opened)
        steps = sum(state.steps for state in heard.streams.values())
        counts: dict[str, Json] = {name: state.steps for name, state in heard.streams.items()}
        body: dict[str, Json] = {
            "returncode": returncode,
            "ended_ns": time.time_ns(),
            "steps": counts,
            "processes": heard.processes,
            "gaps": heard.gaps,
            "refused": heard.refused,
        }
        receipt = opened.ledger.append(Draft("run.closed", body, opened.run, opened.project))[0]
    except (VeristepError, OSError) as error:
        _tell(opened, error)
        return Ended(returncode, opened.run, opened.steps_sealed, heard.gaps)
    lines = (
        f"run         {opened.run}",
        f"steps       {steps} sealed, {heard.gaps} gaps",
        f"ledger      {opened.ledger.path} (entry {receipt.index}, size {receipt.size})",
        f"look        veristep show {opened.run}",
        f"audit       veristep audit {opened.run}",
    )
    return Ended(returncode, opened.run, steps, heard.gaps, lines)


def _unheard(opened: _Opened) -> dict[str, int]:
    """Return, per stream, the steps its heartbeat counted and no record told of."""
    streams = opened.receiver.heard.streams
    missing = {}
    for stream, (steps, _when) in heartbeats(Path(opened.config.boot)).items():
        told = streams[stream].next_step if stream in streams else 0
        if steps > told:
            missing[stream] = steps - told
    return missing


def _tell(opened: _Opened, error: Exception) -> None:
    if not opened.told:
        opened.told = True
        complain(f"run {opened.run} is not recorded completely: {error}; training goes on")
