"""How the room of a replay is made, and the description of it that is part of every verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.replay.sandbox.choose import Kind, Sandbox

IN_PLACE = "the run's own installation, in place"
# Recorded commands name programs of their environment by these folders.
_PROGRAMS = "bin"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python environment a replay runs in.

    Attributes:
        kind: in words, for the verdict.
        readable: all folders of it.
        recorded: the prefix the run's environment had.
        prefix: the prefix of the one to use; the same when it is used in place.
        path: module folders to be searched after the environment's own.
        digest: of the lock it was built from; empty when it was not built.
        byte_code: where its byte code is kept; read-only to replays.
        differences: what is not as it was recorded, in words.
        virtual: whether the run's was a virtual environment, a folder of its own.
    """

    kind: str
    readable: tuple[str, ...]
    recorded: str
    prefix: str
    byte_code: Path
    path: tuple[str, ...] = ()
    digest: str = ""
    differences: tuple[str, ...] = ()
    virtual: bool = False

    @property
    def rebuilt(self) -> bool:
        """Whether it is another one than the run's own."""
        return self.prefix != self.recorded

    def program(self, name: str) -> str:
        """Return what stands for a program that a command names by its path."""
        old = f"{self.recorded}/{_PROGRAMS}/"
        if self.rebuilt and name.startswith(old):
            return f"{self.prefix}/{_PROGRAMS}/{name.removeprefix(old)}"
        return name

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that make a command find it."""
        if not self.rebuilt:
            return {}
        programs = f"{self.prefix}/{_PROGRAMS}"
        return {
            "PATH": f"{programs}:{environment.get('PATH', '/usr/bin:/bin')}",
            "VIRTUAL_ENV": self.prefix,
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is decided about the rooms of an audit before its first replay.

    Attributes:
        sandbox: what holds the replays.
        interpreter: the Python environment.
        shown: further paths they may read, named by whoever audits.
        description: the room in words, for the verdict.
        reason: why nothing can be replayed in it; empty when it can.
    """

    sandbox: Sandbox
    interpreter: Interpreter
    shown: tuple[str, ...] = ()
    description: RoomDescription | None = None
    reason: str = ""

    @property
    def mounted(self) -> bool:
        """Whether files can be shown at other places than their own."""
        return self.sandbox.own_root


@dataclass(frozen=True, slots=True)
class RoomDescription:
    """What the replays of an audit ran in; part of its verdict.

    Attributes:
        sandbox: what held them: ``bubblewrap``, ``landlock and seccomp`` or ``none``.
        files: which of the machine's files they could read.
        network: which network they had.
        user: whom they ran as.
        code: where their code came from.
        environment: where their packages came from; `weaker` says when that is no independent evidence.
        lock: digest of the lock the environment was built from; empty when it was not built.
        python: the interpreter's build, and what of it is not as recorded.
        data: how much of what the run read was compared with its manifest.
        writes: where what they wrote went.
        variables_dropped: variables of the run they were not given.
        shown: further paths whoever audited let them read.
        weaker: what makes this room weaker than a clean one, in words.
    """

    sandbox: str
    files: str
    network: str
    user: str
    code: str
    environment: str
    lock: str = ""
    python: str = ""
    data: str = ""
    writes: str = ""
    variables_dropped: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    weaker: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, as it stands in ``audit.done``."""
        return {key: _json(value) for key, value in asdict(self).items() if value not in ("", (), [])}


def user_of(sandbox: Sandbox) -> str:
    """Return whom a sandbox's processes run as, in words."""
    return "a uid of its own" if sandbox.own_uid else "this account"


def writes_of(sandbox: Sandbox) -> str:
    """Return where what a sandbox's processes write goes, in words."""
    if sandbox.kind is Kind.BUBBLEWRAP:
        return "into the room, also those to absolute paths"
    if sandbox.kind is Kind.KERNEL:
        return "refused outside the room, by the interpreter and the kernel"
    from veristep.replay.sandbox import landlock

    by = "the interpreter and the kernel" if landlock.abi() else "the interpreter only"
    return f"refused outside the room, by {by}"


def _json(value: Any) -> Json:
    return list(value) if isinstance(value, tuple) else value
