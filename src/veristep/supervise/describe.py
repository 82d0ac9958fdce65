"""What a run is made of, as seen from outside before it starts."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import re
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from veristep.core.canonical import Json

# Names that promise a secret; values of such variables are replaced before anything is written.
_SECRET_NAME = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH|COOKIE|SESSION|PRIVATE|DSN|_PW$|^PW$)", re.I
)
# Values that are secrets whatever they are called: well-known token shapes, and logins in addresses.
_SECRET_VALUE = re.compile(
    r"(hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|sk-[A-Za-z0-9_-]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abpr]-[\w-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}\.|-----BEGIN|://[^/\s:@]+:[^/\s@]+@)"
)
REDACTED = "[redacted]"
GIT_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Repository:
    """The state of the git repository a command is started in.

    Attributes:
        root: its top folder.
        commit: the commit checked out; empty in a repository without commits.
        branch: the branch; empty when detached.
        diff: the uncommitted changes to tracked files, as a patch.
    """

    root: str
    commit: str
    branch: str
    diff: bytes


def redact(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with secrets replaced, by name and by shape."""
    return {
        name: REDACTED if _SECRET_NAME.search(name) or _SECRET_VALUE.search(value) else value
        for name, value in environment.items()
    }


def redact_arguments(command: list[str]) -> list[str]:
    """Return the command line with secrets replaced: ``--token VALUE``, ``--token=VALUE``, tokens."""
    result: list[str] = []
    hide_next = False
    for argument in command:
        name, separator, _ = argument.partition("=")
        secret_name = name.startswith("-") and _SECRET_NAME.search(name) is not None
        if hide_next and not argument.startswith("-"):
            result.append(REDACTED)
        elif secret_name and separator:
            result.append(f"{name}={REDACTED}")
        elif _SECRET_VALUE.search(argument):
            result.append(REDACTED)
        else:
            result.append(argument)
        hide_next = secret_name and not separator
    return result


def repository(folder: Path) -> Repository | None:
    """Return the git repository around `folder`; None when there is none or git cannot tell."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    root = top.decode().strip()
    commit = (_git(folder, "rev-parse", "--verify", "-q", "HEAD") or b"").decode().strip()
    branch = (_git(folder, "symbolic-ref", "--short", "-q", "HEAD") or b"").decode().strip()
    diff = _git(Path(root), "diff", "--no-ext-diff", "--binary", "HEAD") if commit else b""
    return Repository(root, commit, branch, diff or b"")


def repository_files(root: Path) -> list[str]:
    """Return the tracked and the untracked, not ignored files of a repository."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return [name for name in (listed or b"").decode("utf-8", "surrogateescape").split("\0") if name]


def host() -> dict[str, Json]:
    """Return the machine, its operating system and the user."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {
        "host": socket.gethostname(),
        "user": user,
        "uid": os.getuid(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def distributions(search_path: list[str]) -> list[str]:
    """Return ``name==version`` of what is installed on a module search path, from its folder names."""
    found: set[str] = set()
    for folder in search_path:
        try:
            names = os.listdir(folder)  # noqa: PTH208 - listing names is all that is needed
        except OSError:
            continue
        for name in names:
            if name.endswith(".dist-info"):
                project, _, version = name.removesuffix(".dist-info").rpartition("-")
                found.add(f"{project}=={version}")
    return sorted(found, key=str.lower)


def digest_of(lines: list[str]) -> str:
    """Return a digest of a list of lines."""
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _git(folder: Path, *arguments: str) -> bytes | None:
    # Configuration of the repository can name programs to run; asking must not run them.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
