"""Looks at the processes of a run from outside, about once a second: state, tracer, doors, programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process import connection, listener, stopped, traced, unknown_child
from veristep.record.shared import BEAT_PREFIX
from veristep.supervise.process import sockets, table
from veristep.supervise.process.baseline import Baseline
from veristep.supervise.process.sockets import Socket

# Looked at in this many seconds: who holds which socket is the dearest to know.
SOCKETS_SECONDS = 2.0
LOOKS_AT_SOCKET = 5
# New processes are looked for so often: the children of every thread have to be asked for.
TREE_SECONDS = 1.9
# A process is stopped when it is in two looks, as far apart as this at least.
STOPPED_SECONDS = 0.9
# Between two looks of ours: more means that we were stopped, or starved, ourselves.
MOST_BETWEEN = 4.0
_BY_RANKS = ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "PMI_RANK", "OMPI_COMM_WORLD_RANK")


@dataclass(slots=True)
class Scanner:
    """What was seen of the processes of one run.

    Attributes:
        baseline: what earlier runs of the project did.
        command: the run's, in words.
        seen: every process of the run, with when it was started.
        root: the process of the command.
    """

    baseline: Baseline
    command: Sequence[str] = ()
    root: int = 0
    seen: dict[int, int] = field(default_factory=dict)
    _stopped: dict[int, float] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _programs: dict[int, str] = field(default_factory=dict)
    _alive: list[int] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)
    _full_at: float = float("-inf")
    _sockets: set[int] = field(default_factory=set)
    _fresh: dict[int, int] = field(default_factory=dict)
    _looked: float = 0.0
    _held: bool = False
    _sockets_at: float = 0.0

    def look(self, now: float) -> list[Finding]:
        """Look once; `now` is monotonic seconds."""
        ourselves_held_up = bool(self._looked) and now - self._looked > MOST_BETWEEN
        self._looked = now
        if ourselves_held_up:
            self._stopped.clear()
        full = now - self._full_at >= TREE_SECONDS
        if full:
            self._full_at = now
        processes = {each.pid: each for each in (self._all() if full else self._known())}
        found: list[Finding] = []
        for process in processes.values():
            self.seen.setdefault(process.pid, table.started(process.pid))
            found += self._state(process, now) + self._tracer(process)
            found += self._program(process, processes)
        if now - self._sockets_at >= SOCKETS_SECONDS:
            self._sockets_at = now
            found += self._doors(list(processes))
        return found

    def hold(self, *, held: bool) -> None:
        """Learn that the policy holds the run's processes, or let them go on."""
        self._held = held
        self._stopped.clear()

    def _known(self) -> list[table.Process]:
        """Return the processes that are known and live, without a look for new ones."""
        found = (table.look(pid) for pid in self._alive)
        return [each for each in found if each is not None]

    def _all(self) -> list[table.Process]:
        found = list(table.tree(self.root)) if self.root else []
        known = {each.pid for each in found}
        # What lost its parent and lives on.
        for pid in list(self.seen):
            process = None if pid in known else table.look(pid)
            if process is not None and table.started(pid) == self.seen[pid]:
                found += [each for each in table.tree(pid) if each.pid not in known]
                known |= {each.pid for each in found}
        self._alive = [each.pid for each in found]
        return found

    def _state(self, process: table.Process, now: float) -> list[Finding]:
        if process.state != "T" or self._held:
            self._stopped.pop(process.pid, None)
            return []
        since = self._stopped.setdefault(process.pid, now)
        # A look every second, and the run's own group is stopped with us by a terminal or a scheduler.
        if now - since < STOPPED_SECONDS or not self._first("stopped", f"{process.pid} {since}"):
            return []
        also = (Suspect("process", str(process.pid), "the process that is stopped"),)
        return [stopped.of(process.pid, process.name, now - since, also)]

    def _tracer(self, process: table.Process) -> list[Finding]:
        if not process.tracer or not self._first("traced", f"{process.pid} {process.tracer}"):
            return []
        words = f"process {process.tracer} ({table.command(process.tracer) or 'gone'})"
        also = table.suspects(process.tracer, "TracerPid in /proc: the kernel's word")
        inside = process.tracer in self.seen
        return [traced.of(process.pid, process.name, words, also, inside=inside)]

    def _program(self, process: table.Process, all_: Mapping[int, table.Process]) -> list[Finding]:
        # A child is first what its parent is, and then what it executes: it is judged at its second look.
        # The kernel's name changes with what is executed: while it stays, nothing has to be read.
        if self._names.get(process.pid) == process.name:
            return []
        self._names[process.pid] = process.name
        name = table.known_as(process.pid)
        before = self._programs.get(process.pid)
        self._programs[process.pid] = name
        if not name or before == name or process.pid == self.root or self._is_command(name):
            return []
        if not self.baseline.unknown(("program", name)):
            return []
        if not self._first("program", name):
            return []
        also = table.suspects(process.pid, "a descendant of the run's command")
        parent = all_.get(process.parent)
        if parent is not None:
            also += (Suspect("parent", f"{parent.pid} {table.command(parent.pid)}", "who started it"),)
        command = table.command(process.pid)
        file = Suspect("file", table.program(process.pid), "what it executes")
        ordinary = _is_systems(file.value) and Path(file.value).name not in unknown_child.TELLING
        # The run's own interpreter is guarded, or told of as one that is not.
        own = file.value == table.program(self.root)
        severity = Severity.INFO if ordinary or own else None
        runs = self.baseline.runs
        return [unknown_child.of(process.pid, name, command, runs, (file, *also), severity=severity)]

    def _is_command(self, name: str) -> bool:
        """Whether this is the script that was asked for: one's own new script is no stranger."""
        words = name.split()
        asked = {Path(word).name for word in self.command}
        return len(words) > 1 and words[-1] in asked

    def _doors(self, pids: Sequence[int]) -> list[Finding]:
        # The kernel takes ten milliseconds to write its tables down: only when somebody has a new socket.
        mine = {pid: sockets.held(pid) - self._sockets for pid in pids}
        if not any(mine.values()):
            return []
        everything = sockets.table(self.root)
        new, incoming = {each.inode: each for each in everything}, sockets.incoming(everything)
        found: list[Finding] = []
        for pid, inodes in mine.items():
            for inode in inodes:
                looks = self._fresh[inode] = self._fresh.get(inode, 0) + 1
                # One that is in no table may listen, or be connected, a moment later.
                if inode in new or looks >= LOOKS_AT_SOCKET:
                    self._sockets.add(inode)
                if inode in new and inode not in incoming:
                    found += self._door(pid, new[inode])
        return found

    def _door(self, pid: int, door: Socket) -> list[Finding]:
        name = table.known_as(pid)
        chosen = str(door.port) if door.port not in sockets.ephemeral() else "any"
        ranks = _is_rank(pid)
        if not door.listens:
            habit = ("connects", name, door.scope, chosen)
            # Ranks talk to each other on ports nobody chose.
            if (ranks and door.scope != "public") or not self.baseline.unknown(habit):
                return []
            if not self._first("connects", " ".join(habit)):
                return []
            also = table.suspects(pid, "it holds the connection")
            return [connection.of(pid, name, door.address, door.port, self.baseline.runs, also)]
        habit = ("listens", name, door.scope, chosen)
        known = habit in self.baseline.known
        unknown = self.baseline.unknown(habit)
        if ranks or known or (door.scope == "loopback" and not unknown):
            return []
        if not self._first("listens", f"{pid} {door.port}"):
            return []
        why = f"none of the {self.baseline.runs} runs before did" if unknown else "others can reach it"
        also = table.suspects(pid, "it holds the listening socket")
        # A training process listens for other ranks, whether its variables say that it is one or not.
        severity = Severity.INFO if _trains(pid) and not unknown else None
        return [listener.of(pid, name, door.address, door.port, also, why, severity=severity)]

    def _first(self, what: str, which: str) -> bool:
        if (what, which) in self._told:
            return False
        self._told.add((what, which))
        return True


def _is_rank(pid: int) -> bool:
    """Whether a process is, or starts, a rank of several: those listen for each other."""
    try:
        data = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    names = {each.partition(b"=")[0] for each in data.split(b"\0")}
    if any(name.encode() in names for name in _BY_RANKS):
        return True
    command = table.command(pid)
    return "torchrun" in command or "torch.distributed.run" in command or "accelerate" in command


def _trains(pid: int) -> bool:
    """Whether a process takes steps: it has mapped its heartbeat (`record.shared`)."""
    try:
        return f"/{BEAT_PREFIX}" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _is_systems(program: str) -> bool:
    """Whether a program is one of the system's, which only root can have put there."""
    try:
        status = Path(program).stat()
    except OSError:
        return False
    systems = program.startswith(("/usr/", "/bin/", "/sbin/", "/lib"))
    return systems and status.st_uid == 0 and not status.st_mode & 0o022
