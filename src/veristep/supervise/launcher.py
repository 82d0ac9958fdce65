"""`veristep run`: start a training command, hear it, seal what it says, end as it ends.

Nothing that goes wrong here may reach the training: when the ledger cannot be used the command runs bare,
and when it fails later on the run goes on and the gap is recorded, or told once on stderr.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json, encode
from veristep.core.verdicts import Finding
from veristep.errors import ExitStatus, UsageError, VeristepError
from veristep.guard import policy
from veristep.guard.policy import Action
from veristep.ledger import auditors
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import RunKey, RunLogWriter, Segment
from veristep.record.channel import complain
from veristep.record.config import SOCKET_NAME, RecordConfig
from veristep.record.shared import heartbeats
from veristep.supervise import boot, code, describe
from veristep.supervise.checks.protocol import Subject
from veristep.supervise.checks.steps import builder
from veristep.supervise.child import Child, Received
from veristep.supervise.data.declared import look_up
from veristep.supervise.guarding import Guarding
from veristep.supervise.holding import Hold
from veristep.supervise.lock import SupervisorLock
from veristep.supervise.manifest import DataManifest
from veristep.supervise.receiver import Receiver
from veristep.supervise.retention import default_budget
from veristep.supervise.silent import SilentProcesses
from veristep.supervise.spool import SPOOL_FOLDER
from veristep.supervise.watch import Watch

SEAL_SECONDS = 10.0
SEAL_LINES = 5000
# After the command has ended, how long its processes may take to say their last lines.
DRAIN_SECONDS = 3.0
POLL_SECONDS = 0.05
# How often the spool and the processes are looked at.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to record a run.

    Attributes:
        ledger: the ledger's directory.
        project: the project the run belongs to.
        interval: steps between snapshots; 0 lets the measured cost decide.
        digests: ``auto`` or ``full``.
        snapshot_share: fraction of training time snapshots may cost.
        snapshot_bytes: bytes the run's snapshots may take; 0 for a share of what is free on the disk.
        data: names, folders or root digests of locked data that the run reads.
    """

    ledger: Path
    project: str = ""
    interval: int = 0
    digests: str = "auto"
    snapshot_share: float = 0.003
    snapshot_bytes: int = 0
    data: tuple[str, ...] = ()


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
    """A run that is being recorded.

    Attributes:
        pending: entries the ledger has not taken yet.
        lost: lines the run log did not take.
    """

    run: str
    ledger: Ledger
    config: RecordConfig
    log: RunLogWriter
    receiver: Receiver
    project: str
    lock: SupervisorLock
    watch: Watch
    manifest: DataManifest
    guarding: Guarding
    environment: Mapping[str, str]
    hold: Hold
    pending: list[Draft] = field(default_factory=list)
    lost: int = 0
    looked_at: float = field(default_factory=time.monotonic)
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
    require(command)
    opened = _try_open(command, options)
    if opened is None:
        child = _start(command, None, lambda _received: None)
        child.process.wait()
        child.close()
        return Ended(child.process.returncode)
    try:
        refused = opened.guarding.before()
        if refused is not None:
            _tell_refusal(opened, refused)
            return _close(opened, ExitStatus.FINDINGS)
        _do_what_is_wanted(opened)
        opened.hold.wait()
        child = _start(command, opened.environment, opened.signals.append)
        opened.hold.command = child.process.pid
        opened.guarding.started(child.process.pid)
        _attend(opened, child)
        opened.guarding.ended(child.process.wait())
        ended = _close(opened, child.process.wait())
        child.close()
        return ended
    finally:
        shutil.rmtree(opened.config.boot, ignore_errors=True)
        opened.lock.release()
        opened.ledger.close()


def _start(
    command: Sequence[str],
    environment: Mapping[str, str] | None,
    on_signal: Callable[[Received], None],
) -> Child:
    try:
        return Child(command, environment, on_signal)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(
            f"command {command[0]!r} cannot be started: {error}",
            hint="a script without a first line such as #!/bin/sh runs with: "
            f"veristep run -- sh {command[0]}",
        ) from error


def require(command: Sequence[str]) -> None:
    """Refuse a command that cannot be started.

    Raises:
        UsageError: it is empty, or there is no such program.
    """
    if not command:
        raise UsageError("no command after --", hint="for example: veristep run -- torchrun train.py")
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"command {command[0]!r} does not exist or cannot be executed",
            hint="check its spelling; a script without execute permission runs with: "
            f"veristep run -- python {command[0]}",
        )


def _try_open(command: Sequence[str], options: RunOptions) -> _Opened | None:
    try:
        return _open(list(command), options)
    except Exception as error:  # noqa: BLE001 - boundary: no trouble of ours keeps a job from running
        hint = getattr(error, "hint", "")
        why = _one_line(error) + (f"; {hint}" if hint else "")
        complain(f"not recording: {why}; the command runs without us")
        return None


def _open(command: list[str], options: RunOptions) -> _Opened:
    ledger = Ledger.open(options.ledger, create=True)
    folder = boot.make_folder()
    lock = SupervisorLock()
    try:
        run_id = f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(4)}"
        key = RunKey.generate()
        directory = ledger.run_dir(run_id)
        lock.take(directory, str(folder))
        cwd = Path.cwd()
        repository = describe.repository(cwd)
        files = code.capture(ledger.objects, cwd, repository)
        rules, problem = _policy(cwd)
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
            steps=builder(rules),
        )
        boot.write(config)
        budget = options.snapshot_bytes or default_budget(str(ledger.path))
        project = options.project or Path(files.root).name
        declared = look_up(ledger, (*options.data, *rules.data), cwd)
        body = _description(command, options, project, key, ledger, files, repository, cwd)
        body["snapshot_bytes"] = budget
        if declared.entries:
            body["data"] = declared.to_json()
        sensitive = frozenset({"command", "cwd", "host", "user", "repository", "project"})
        opening = Draft("run.opened", body, run_id, project, sensitive)
        ledger.append(opening, *_commitment(ledger, run_id, project))
        log = RunLogWriter(directory / "log", run_id, key)
        opened: _Opened

        def keep(data: bytes) -> None:
            _keep(opened, data)

        def say(line: Mapping[str, Json]) -> None:
            receiver.own(line)
            opened.guarding.hear(line)

        def guard(line: Mapping[str, Any]) -> None:
            opened.guarding.hear(line)

        watch = Watch(run_id, directory, folder, ledger.objects, budget)
        receiver = Receiver(
            folder / SOCKET_NAME,
            keep,
            directory / SPOOL_FOLDER,
            describe.secret_values(os.environ),
            (watch.hear, guard),
        )
        started_ns = time.time_ns()
        held = frozenset(os.path.join(files.root, file.path) for file in files.files if file.object)  # noqa: PTH118
        manifest = DataManifest(str(folder), receiver.own, receiver.gap, files.root, held, started_ns)
        environment = boot.environment(os.environ, config)
        boot.private_caches(environment, str(folder))
        subject = Subject(
            run_id,
            project,
            tuple(command),
            cwd,
            Path(files.root),
            environment,
            folder,
            ledger,
            rules,
            declared,
            started_ns,
        )
        guarding = Guarding(subject, lambda name, reason: receiver.gap("check", f"{name}: {reason}"))
        opened = _Opened(
            run=run_id,
            ledger=ledger,
            config=config,
            log=log,
            receiver=receiver,
            project=project,
            lock=lock,
            watch=watch,
            manifest=manifest,
            guarding=guarding,
            environment=environment,
            hold=Hold(run_id, project, ledger, say, rules.grace_seconds),
        )
        if problem:
            receiver.gap("policy", problem)
        return opened
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        ledger.close()
        raise


def _policy(cwd: Path) -> tuple[policy.Policy, str]:
    """Return the policy that holds in a folder, or why it is not heeded: that must not cost a job."""
    try:
        return policy.find(cwd), ""
    except UsageError as error:
        complain(f"the policy is not heeded: {_one_line(error)}; training goes on")
        return policy.Policy(), _one_line(error)


def _commitment(ledger: Ledger, run: str, project: str) -> list[Draft]:
    """Return the ledger's own auditor's commitment to the draw; without it an audit says it is missing."""
    try:
        return [auditors.draft(auditors.own_key(ledger.path), ledger.origin, run, project)]
    except (VeristepError, OSError) as error:
        complain(f"no commitment to the draw of audits: {_one_line(error)}; they will say so")
        return []


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
            "root": describe.printable(repository.root),
            "commit": repository.commit,
            "branch": repository.branch,
            "changed": bool(repository.diff),
        }
        if repository.diff:
            objects["diff"] = ledger.objects.put(repository.diff)
    return {
        "run_key": key.public_hex,
        "command": describe.printable(
            describe.redact_arguments(command, describe.secret_values(os.environ))
        ),
        "cwd": describe.printable(str(cwd)),
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
    return encode(describe.printable(value))


def _attend(opened: _Opened, child: Child) -> None:
    """Hear the run until its command has ended and its processes have said their last lines."""
    deadline: float | None = None
    silent = SilentProcesses(child.process.pid, os.getpid())
    while True:
        try:
            opened.receiver.poll(POLL_SECONDS)
            _note_signals(opened)
            _look(opened, silent)
            _raise_findings(opened)
            _do_what_is_wanted(opened)
            if _seal_is_due(opened):
                _seal(opened)
        except Exception as error:  # noqa: BLE001 - boundary: the command goes on without us
            _tell(opened, error)
            time.sleep(POLL_SECONDS)
        if deadline is None and child.exited():
            deadline = time.monotonic() + DRAIN_SECONDS
        if deadline is not None and (not opened.receiver.clients or time.monotonic() > deadline):
            return


def _look(opened: _Opened, silent: SilentProcesses) -> None:
    """Look at the spool, and for Python processes that never said hello."""
    now = time.monotonic()
    if now - opened.looked_at < LOOK_SECONDS:
        return
    opened.looked_at = now
    opened.watch.look(opened.receiver)
    opened.guarding.look()
    opened.hold.look(opened.receiver.heard.pids)
    opened.receiver.take_spooled()
    _thin_out(opened)
    opened.manifest.look()
    for process in silent.look(opened.receiver.heard.pids, now):
        opened.guarding.hear({"type": "unheard", "pid": process.pid, "program": process.program})
        opened.receiver.gap(
            "process",
            f"process {process.pid} ({process.program}) is Python and never said hello: what it does "
            "is not recorded (started with -E, -I or -S, or with a PYTHONPATH of its own?)",
            pid=process.pid,
        )


def _raise_findings(opened: _Opened, *, last: bool = False) -> None:
    """Write down at once what was found while the run goes on."""
    opened.guarding.add("watch", opened.watch.findings)
    found = opened.guarding.findings()
    drafts = [*(_raised(opened, each) for each in found), *opened.guarding.entries(last=last)]
    if drafts:
        opened.pending += drafts
        _seal(opened)


def _do_what_is_wanted(opened: _Opened) -> None:
    """Hold the run, or end it, where the policy says so of what was found; what was found is on record."""
    for finding, action in opened.guarding.wanted():
        act = opened.hold.stop if action is Action.STOP else opened.hold.pause
        act(finding, opened.receiver.heard.pids)


def _tell_refusal(opened: _Opened, refused: Finding) -> None:
    why = "the policy"
    if not opened.guarding.quiet:
        why = f"{refused.summary}; the policy blocks {refused.rule}; look: veristep explain {refused.rule}"
    complain(f"not started: {why}")


def _raised(opened: _Opened, finding: Finding) -> Draft:
    return Draft("finding.raised", finding.to_json(), opened.run, opened.project)


def _thin_out(opened: _Opened) -> None:
    """Drop snapshots beyond what they may take; that is sealed before anything is deleted."""
    gone = opened.watch.retention.excess()
    if gone:
        opened.receiver.own(opened.watch.retention.line(gone))
        _seal(opened)
        opened.watch.retention.drop(gone)


def _keep(opened: _Opened, data: bytes) -> None:
    try:
        opened.log.append(data)
        opened.unsealed += 1
    except (VeristepError, OSError) as error:
        opened.lost += 1
        _tell(opened, error)


def _admit_losses(opened: _Opened) -> None:
    """Say in the log, as soon as it takes lines again, that it did not take some."""
    lost = opened.lost
    if not lost:
        return
    opened.receiver.own({"type": "gap", "what": "log", "reason": f"the disk did not take {lost} lines"})
    if opened.lost == lost:
        opened.lost = 0
        opened.receiver.heard.gaps += 1
    else:
        opened.lost = lost


def _note_signals(opened: _Opened) -> None:
    while opened.signals:
        received = opened.signals.popleft()
        opened.hold.signalled(received.signal)
        line: dict[str, Json] = {
            "type": "signal",
            "signal": received.signal,
            "sender_pid": received.pid,
            "sender_uid": received.uid,
            "sender": describe.printable(received.sender),
            "same_session": received.same_session,
            "forwarded": received.forwarded,
        }
        opened.receiver.own(line)
        opened.guarding.hear(line)


def _seal_is_due(opened: _Opened) -> bool:
    waited = time.monotonic() - opened.sealed_at
    return opened.unsealed >= SEAL_LINES or waited >= SEAL_SECONDS


def _seal(opened: _Opened) -> None:
    """Seal what was heard; a quiet run gets a heartbeat, so that its silence is told from its end."""
    opened.sealed_at = time.monotonic()
    heard = opened.receiver.heard
    if not opened.unsealed:
        opened.receiver.own({"type": "heartbeat"})
    _admit_losses(opened)
    segment = opened.log.seal()
    if segment is not None:
        opened.unsealed = 0
        opened.pending += _sealed_drafts(opened, segment)
    if opened.pending:
        # What the ledger refuses now is offered again: a segment left out would break the chain.
        opened.ledger.append(*opened.pending)
        opened.pending = []
        opened.steps_sealed = sum(state.steps for state in heard.streams.values())


def _sealed_drafts(opened: _Opened, segment: Segment) -> list[Draft]:
    heard = opened.receiver.heard
    artifacts, heard.artifacts = heard.artifacts, []
    steps: dict[str, Json] = {name: state.next_step for name, state in heard.streams.items()}
    body: dict[str, Json] = {"segment": segment.to_json(), "steps": steps, "gaps": heard.gaps}
    drafts = [Draft("segment.sealed", body, opened.run, opened.project)]
    for line in artifacts:
        artifact = {key: value for key, value in line.items() if key not in ("prev", "seq", "type")}
        kind = "artifact.removed" if line.get("type") == "removed" else "artifact.written"
        sensitive = frozenset({"path", "to"} & artifact.keys())
        drafts.append(Draft(kind, artifact, opened.run, opened.project, sensitive))
    return drafts


def _close(opened: _Opened, returncode: int) -> Ended:
    """Account for what is missing, seal the rest and close the run."""
    receiver = opened.receiver
    heard = receiver.heard
    try:
        receiver.take_spooled(final=True)
        opened.manifest.finish()
        for stream, missing in _unheard(opened).items():
            receiver.gap("steps", f"{missing} steps were taken and never told", of=stream)
        receiver.own(opened.guarding.finish())
        _raise_findings(opened, last=True)
        opened.watch.finish(receiver)
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
            "gaps": heard.gaps + bool(opened.lost),
            "refused": heard.refused,
            "spooled": dict(receiver.spool.offsets),
        }
        receipt = opened.ledger.append(Draft("run.closed", body, opened.run, opened.project))[0]
    except Exception as error:  # noqa: BLE001 - boundary: the command's own status must come through
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
        complain(f"run {opened.run} is not recorded completely: {_one_line(error)}; training goes on")


def _one_line(error: Exception) -> str:
    """Return an error's text in a line; one nobody foresaw needs its name said."""
    text = " ".join(str(error).split())
    return text if isinstance(error, (VeristepError, OSError)) else f"{type(error).__name__}: {text}"
