"""Landlock and seccomp: for machines without bubblewrap, or where it may make no namespaces.

Files outside the view can neither be read nor changed, though their names and sizes can be asked for; no
sockets but unix ones, unless the process gets a network of its own with nothing but a loopback device.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO

from veristep.replay.sandbox import landlock, lifetime, seccomp
from veristep.replay.sandbox.view import Launch

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys/devices/system")
_ETC = (
    "alternatives", "gai.conf", "host.conf", "hosts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "locale.alias", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd", "group", "timezone",
)  # fmt: skip


@lru_cache(maxsize=1)
def usable() -> bool:
    """Whether this kernel has both, for this machine's architecture."""
    return landlock.abi() > 0 and seccomp.known() is not None


@lru_cache(maxsize=1)
def own_network() -> bool:
    """Whether a process of ours may have a network of its own here."""
    pid = os.fork()
    if pid == 0:
        try:
            _isolate_network()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child of a probe says yes or no, and nothing else
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def start(launch: Launch, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process.

    Raises:
        OSError, subprocess.SubprocessError: it cannot be started so restricted.
    """
    alone = own_network()
    architecture = seccomp.known()
    assert architecture is not None
    families = None if alone else (seccomp.AF_UNIX, seccomp.AF_NETLINK)
    filtered = seccomp.program(architecture, families)
    writable = launch.view.in_place(writable=True)
    readable = [*_SYSTEM, *(f"/etc/{name}" for name in _ETC), *launch.view.in_place(writable=False)]
    parent = os.getpid()

    def restrict() -> None:
        lifetime.end_with(parent)
        if alone:
            _isolate_network()
        landlock.restrict(writable, readable)
        seccomp.restrict(filtered)

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


def _isolate_network() -> None:
    """Move this process to a network with nothing but a loopback device.

    Raises:
        OSError: it may not.
    """
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    with suppress(FileNotFoundError):
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
