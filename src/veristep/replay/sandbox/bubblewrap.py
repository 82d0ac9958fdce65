"""Bubblewrap: a root of its own that holds only what a replay may see, and namespaces of its own.

No network but a loopback device, no processes but its own, no home folder; it ends with its parent.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

from veristep.errors import UnavailableError
from veristep.replay.sandbox import seccomp
from veristep.replay.sandbox.view import Identity, Launch, Mount, View

PROGRAM = "bwrap"
PROBE_SECONDS = 10
# Bubblewrap takes 9000 words at most; a mount is three.
MAX_MOUNTS = 2500
# Processes started and ended before a replay's own, so that its id is another one each time.
MOST_PROCESSES = 200
_COUNT_PROCESSES = 'n=$1; shift; while [ "$n" -gt 0 ]; do (:); n=$((n - 1)); done; "$@"; exit $?'
# Bubblewrap's --die-with-parent holds once all of its processes have asked for it: who is killed while a
# sandbox is being made would leave it behind, and running. So a process inside waits for the other end of a
# pipe, which the auditor alone holds, to be closed by its end; then it ends all there is in its namespace.
_TETHER = "exec 3<&0 </dev/null; { read -r _ <&3; kill -9 -1; } & exec 3<&-; "
_SPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
# Own user namespace, and none within it; own user namespace; none, which only root can do.
_USERS = (("--unshare-user", "--disable-userns"), ("--unshare-user",), ())
# Parts of /etc that programs read and that name nobody.
_ETC = (
    "alternatives", "gai.conf", "host.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "locale.alias", "localtime", "mime.types", "nsswitch.conf", "os-release", "timezone",
)  # fmt: skip
_SYSTEM_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_GPU = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")


@lru_cache(maxsize=1)
def usable() -> tuple[str, ...] | None:
    """Return the options for user namespaces that work here; None when bubblewrap does not."""
    if shutil.which(PROGRAM) is None:
        return None
    for users in _USERS:
        if not users and os.geteuid() != 0:
            continue
        words = [*_fixed(users, Identity()), *system(), "true"]
        try:
            done = subprocess.run(
                [PROGRAM, *words], capture_output=True, timeout=PROBE_SECONDS, check=False, cwd="/"
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode == 0:
            return users
    return None


def start(launch: Launch, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a process.

    Raises:
        UnavailableError: more is to be seen than bubblewrap can show.
        OSError: it cannot be started.
    """
    users = usable()
    assert users is not None
    words = arguments(users, launch, _etc_files(launch))
    tether, held = os.pipe()
    given = [tether]
    try:
        architecture = seccomp.known()
        if architecture is not None:
            given.append(_memory(seccomp.program(architecture, None)))
            words = ["--seccomp", str(given[-1]), *words]
        listing = _memory(b"".join(os.fsencode(word) + b"\0" for word in words))
        given.append(listing)
        process = subprocess.Popen(
            [PROGRAM, "--args", str(listing), "--", *_wrapped(launch.command)],
            env=launch.environment,
            cwd="/",
            stdin=tether,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=given[1:],
        )
        weakref.finalize(process, os.close, held)
        return process
    except BaseException:
        os.close(held)
        raise
    finally:
        for descriptor in given:
            os.close(descriptor)


def _wrapped(command: Sequence[str]) -> list[str]:
    """Return a command line that runs a command tethered to us, under another process id each time.

    In a process namespace of its own every replay would have the same one, and a script that draws its seed
    from it would differ from its record in the same way every time: that is how tampering looks.
    """
    count = secrets.randbelow(MOST_PROCESSES) + 1
    return ["/bin/sh", "-c", _TETHER + _COUNT_PROCESSES, "sh", str(count), *command]


def arguments(users: Sequence[str], launch: Launch, etc: Sequence[Mount]) -> list[str]:
    """Return bubblewrap's options for a launch.

    Raises:
        UnavailableError: more is to be seen than bubblewrap can show.
    """
    view = launch.view.with_mounts(etc)
    if len(view.mounts) > MAX_MOUNTS:
        raise UnavailableError(
            f"the replay needs {len(view.mounts)} separate files of this machine, and bubblewrap shows "
            f"at most {MAX_MOUNTS}",
            hint="keep the data in a folder of its own",
        )
    return [
        *_fixed(users, launch.identity),
        *system(),
        *_devices(),
        *_placed(view),
        "--chdir",
        launch.cwd,
    ]


def system() -> list[str]:
    """Return the options that show the operating system, read-only, and nothing of its users."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    words += ["--ro-bind-try", "/sys/devices/system", "/sys/devices/system"]
    return [*words, "--proc", "/proc", "--dev", "/dev", "--dir", "/run", "--dir", "/var/tmp"]  # noqa: S108


def _fixed(users: Sequence[str], identity: Identity) -> list[str]:
    words = [*users, *_SPACES, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if users:
        words += ["--uid", str(identity.uid), "--gid", str(identity.uid)]
    return [*words, "--hostname", identity.host]


def _devices() -> list[str]:
    found = [str(path) for pattern in _GPU for path in Path("/").glob(pattern.lstrip("/"))]
    words = [word for path in sorted(found) for word in ("--dev-bind", path, path)]
    # Drivers of accelerators look for their devices under /sys.
    return [*words, "--ro-bind", "/sys", "/sys"] if words else []


def _placed(view: View) -> list[str]:
    words: list[str] = []
    for folder in view.folders:
        words += ["--dir", folder]
    for mount in view.ordered():
        words += ["--bind" if mount.writable else "--ro-bind", mount.source, mount.place]
    return words


def _etc_files(launch: Launch) -> list[Mount]:
    found = []
    for place, text in launch.identity.files().items():
        source = Path(launch.folder) / Path(place).name
        source.write_text(text, encoding="utf-8")
        found.append(Mount(str(source), place))
    return found


def _memory(data: bytes) -> int:
    descriptor = os.memfd_create("veristep")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
