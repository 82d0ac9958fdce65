"""Asks git, without letting the repository's configuration run anything.

A repository can name programs: hooks, a file-system monitor, filters, text converters, pagers, signature
checkers, helpers that fetch what is missing. Only commands are used that read objects and the index, with
every such setting put out of action; files are compared by our own hashing, which filters do not reach.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

TIMEOUT_SECONDS = 20
_OFF = {
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.askPass": "false",
    "diff.external": "",
    "gpg.program": "gpg",
    "gpg.ssh.program": "ssh-keygen",
    "gpg.x509.program": "gpgsm",
    "gpg.ssh.defaultKeyCommand": "",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
}


def run(folder: Path, *words: str, given: bytes | None = None) -> bytes | None:
    """Return what git says; None when it fails, or is not there."""
    options = [part for name, value in _OFF.items() for part in ("-c", f"{name}={value}")]
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        # Objects as they are named, not what the repository says is to stand for them.
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C.UTF-8",
    }
    place = top(folder)
    if place is not None:
        environment = {**environment, "GIT_WORK_TREE": str(place)}  # whatever the repository configures
    try:
        done = subprocess.run(
            ["git", "--no-pager", *options, *words],
            cwd=folder,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


def top(folder: Path) -> Path | None:
    """Return the folder that holds the repository around a folder; None when there is none."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists():
            return place
    return None


def text(data: bytes | None) -> str:
    """Return what git said as one text without its end of line."""
    return (data or b"").decode("utf-8", "surrogateescape").strip("\n")


def names(data: bytes | None) -> list[str]:
    """Return what git said, ended by NULs."""
    return [each for each in (data or b"").decode("utf-8", "surrogateescape").split("\0") if each]
