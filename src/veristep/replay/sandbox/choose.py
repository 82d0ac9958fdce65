"""Which means holds a replay here: the strongest that works, tried once."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from typing import IO

from veristep.errors import UnavailableError
from veristep.replay.sandbox import bubblewrap, kernel, landlock, lifetime
from veristep.replay.sandbox.view import Launch


class Kind(StrEnum):
    """The means, strongest first."""

    BUBBLEWRAP = "bubblewrap"
    KERNEL = "landlock and seccomp"
    WRITES = "none"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A means that works on this machine.

    Attributes:
        kind: which.
        own_root: whether places need not be where they are on this machine.
        own_uid: whether a process gets a user id that owns nothing outside.
        own_network: whether it gets a network of its own, with nothing but a loopback device.
        network: what of it there is, in words.
        files: what of them there is, in words.
    """

    kind: Kind
    own_root: bool
    own_uid: bool
    own_network: bool
    network: str
    files: str

    def start(self, launch: Launch, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process in it.

        Raises:
            OSError, subprocess.SubprocessError: it cannot be started.
            UnavailableError: more is to be seen than can be shown.
        """
        if self.kind is Kind.BUBBLEWRAP:
            return bubblewrap.start(launch, output)
        if self.kind is Kind.KERNEL:
            return kernel.start(launch, output)
        return _start_open(launch, output)


def choose(*, allow_unsandboxed: bool = False, distributed: bool = False) -> Sandbox:
    """Return the strongest means that works here.

    Args:
        allow_unsandboxed: go on without one, confined in its writes only.
        distributed: the replay needs several processes that talk over loopback.

    Raises:
        UnavailableError: there is none, and going on without was not allowed.
    """
    users = bubblewrap.usable()
    if users is not None:
        return Sandbox(
            Kind.BUBBLEWRAP,
            own_root=True,
            own_uid=bool(users),
            own_network=True,
            network="loopback of its own",
            files="only what the replay needs",
        )
    if kernel.usable() and (kernel.own_network() or not distributed):
        own_network = kernel.own_network()
        return Sandbox(
            Kind.KERNEL,
            own_root=False,
            own_uid=False,
            own_network=own_network,
            network="loopback of its own" if own_network else "unix sockets only",
            files="contents only of what the replay needs; names of all",
        )
    if not allow_unsandboxed:
        ranks = " for ranks that talk to one another" if kernel.usable() else ""
        raise UnavailableError(
            f"this machine has no sandbox that works{ranks}: neither bubblewrap nor Landlock with seccomp",
            hint="install bubblewrap (apt install bubblewrap) and allow user namespaces; or audit with "
            "--allow-unsandboxed: the run's command can then read this account's files and use its network",
        )
    return unsandboxed()


def unsandboxed() -> Sandbox:
    """Return what is left without a sandbox: writes outside the room are refused, nothing else."""
    return Sandbox(
        Kind.WRITES,
        own_root=False,
        own_uid=False,
        own_network=False,
        network="not restricted",
        files="all that this account may read",
    )


def _start_open(launch: Launch, output: IO[bytes]) -> subprocess.Popen[bytes]:
    contained = landlock.abi() > 0
    writable = launch.view.in_place(writable=True)

    parent = os.getpid()

    def restrict() -> None:
        lifetime.end_with(parent)
        if contained:
            landlock.restrict(writable)

    # preexec_fn is safe here: replays are started from a process's only thread.
    return subprocess.Popen(
        launch.command,
        cwd=launch.cwd,
        env=launch.environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=restrict,  # noqa: PLW1509
    )
