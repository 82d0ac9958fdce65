"""What a run is made of, as seen from outside before it starts."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import re
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json

# Words in a name that promise a secret: as a word of their own, or at the end of one.
_SECRET_WORDS = frozenset(
    {
        "apikey", "auth", "authorization", "bearer", "cookie", "cookies", "credential", "credentials",
        "dsn", "key", "pass", "passphrase", "passwd", "password", "private", "pw", "secret", "secrets",
        "session", "token",
    }
)  # fmt: skip
_SECRET_ENDS = (
    "accesskey", "apikey", "authkey", "passphrase", "passwd", "password", "privatekey", "secret",
    "secretkey", "token",
)  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Settings that merely sound like secrets: counts and switches.
_PLAIN_VALUE = re.compile(r"|[+-]?[0-9.]{1,6}|true|false|yes|no|on|off|none|null", re.I)
# A secret named inside a longer argument, such as the script of `bash -c`.
_ASSIGNED = re.compile(
    r"(?P<option>--?[\w-]+)(?P<gap>\s+|=)(?P<given>[^\s;&|-][^\s;&|]*)"
    r"|(?P<name>[\w-]*\w)(?P<sign>\s*[=:]\s*)(?P<value>[^\s;&|]+)"
)
# A value shorter than this is not looked for elsewhere: it would be found everywhere.
_MIN_SECRET = 8
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
    """Return the environment with secrets replaced, by name, by shape, and by value."""
    secrets = secret_values(environment)
    return {
        name: REDACTED if _is_secret(name, value) else _without(value, secrets)
        for name, value in environment.items()
    }


def secret_values(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets of an environment, to be looked for elsewhere."""
    found = {
        value
        for name, value in environment.items()
        # A path to a secret is none itself.
        if len(value) >= _MIN_SECRET and value[0] != "/" and _is_secret(name, value)
    }
    return tuple(sorted(found, key=len, reverse=True))


def redact_arguments(command: Sequence[str], secrets: Sequence[str] = ()) -> list[str]:
    """Return the command line with secrets replaced.

    Found are ``--token VALUE`` and ``--token=VALUE``, well-known shapes, the values in `secrets`, and
    all of these inside a longer argument, such as a shell script.
    """
    result: list[str] = []
    hide_next = False
    for argument in command:
        name, separator, value = argument.partition("=")
        option = argument.startswith("-") and not any(letter.isspace() for letter in name)
        if hide_next and not argument.startswith("-") and not _PLAIN_VALUE.fullmatch(argument):
            result.append(REDACTED)
        elif option and separator and _is_secret(name, value):
            result.append(f"{name}={REDACTED}")
        else:
            result.append(_without(argument, secrets))
        hide_next = option and not separator and _promises_secret(name)
    return result


def printable(value: Any) -> Json:
    """Return a value as JSON that can be encoded: bytes that are not UTF-8 become question marks."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(printable(str(key))): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)


def _promises_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return any(word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) for word in words)


def _is_secret(name: str, value: str) -> bool:
    if _PLAIN_VALUE.fullmatch(value):
        return False
    return _promises_secret(name) or _SECRET_VALUE.search(value) is not None


def _without(text: str, secrets: Sequence[str]) -> str:
    """Return a text without the secrets in it; one of a well-known shape hides all of it."""
    if _SECRET_VALUE.search(text):
        return REDACTED
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _ASSIGNED.sub(_hidden, text) if any(letter in text for letter in " =\n\t") else text


def _hidden(match: re.Match[str]) -> str:
    name, between = match["option"] or match["name"], match["gap"] or match["sign"]
    value = match["given"] or match["value"]
    return name + between + REDACTED if _is_secret(name, value) else match[0]


def repository(folder: Path) -> Repository | None:
    """Return the git repository around `folder`; None when there is none or git cannot tell."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return None
    root = top.decode("utf-8", "surrogateescape").strip("\n")
    if not folder.resolve().is_relative_to(Path(root).resolve()):
        # The repository's configuration names another working tree: what runs is what lies here.
        return None
    commit = (_git(folder, "rev-parse", "--verify", "-q", "HEAD") or b"").decode().strip()
    branch = (_git(folder, "symbolic-ref", "--short", "-q", "HEAD") or b"").decode().strip()
    diff = _diff(Path(root)) if commit else b""
    return Repository(root, commit, branch, diff or b"")


def _diff(root: Path) -> bytes | None:
    """Return the uncommitted changes, without running filters or converters that the repository brings."""
    listed = _git(
        root,
        "config",
        "--show-scope",
        "-z",
        "--name-only",
        "--get-regexp",
        r"^filter\..*\.(clean|process)$",
    )
    parts = (listed or b"").decode("utf-8", "surrogateescape").split("\0")
    own = [
        name for scope, name in zip(parts[::2], parts[1::2], strict=False) if scope in ("local", "worktree")
    ]
    # An empty one is passed over; a filter of the user's own, such as that of git-lfs, is theirs to trust.
    off = [part for name in own for part in ("-c", f"{name}=")]
    off += [part for name in own for part in ("-c", f"{name.rpartition('.')[0]}.required=false")]
    options = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "--binary")
    return _git(root, *off, "diff", *options, "HEAD")


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
        "boot_id": boot_id(),
    }


def boot_id() -> str:
    """Return what names this start of this machine's kernel; containers on it share it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


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
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
