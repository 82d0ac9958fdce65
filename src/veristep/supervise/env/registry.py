"""Asking the registry, through pip and the user's own configuration of it, with nothing from any cache."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from veristep.errors import UnavailableError
from veristep.supervise.env.lock import Lock, Pin, canonical, from_report

RESOLVE_SECONDS = 600
INSTALL_SECONDS = 1800
VENV_SECONDS = 180
# How many missing distributions are looked for before giving up.
MAX_MISSING = 20
_OPTIONS = (
    "--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir",
    "--only-binary", ":all:",
)  # fmt: skip
_INSTALLING = ("--no-warn-conflicts", "--no-compile")
# Configuration of pip that would put things elsewhere or take them from elsewhere.
_NOT_TAKEN = (
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_PYTHON",
    "PIP_NO_BINARY", "PIP_ONLY_BINARY", "PIP_REQUIREMENT", "PIP_CONSTRAINT", "PIP_EDITABLE",
    "PYTHONPATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "VERISTEP_RUN",
)  # fmt: skip
# The second is what pip says of a version whose local part, such as ``+cpu``, the registry does not have.
_MISSING = re.compile(r"(?:No matching distribution found for|Cannot install) ([^\n]*==[^\n]*)")
_NAMED = re.compile(r"([A-Za-z0-9._-]+)==")
_UNREACHABLE = re.compile(r"Retrying|Connection|timed out|Max retries|Name or service not known", re.I)
_LOGIN = re.compile(r"://[^/@\s]+@")


class Pip:
    """A pip of its own, for one build: it comes with the interpreter and is thrown away."""

    def __init__(self, interpreter: str, folder: Path) -> None:
        """Make it.

        Raises:
            UnavailableError: the interpreter brings none.
        """
        self._interpreter = interpreter
        self._tool = folder / "tool"
        _made([interpreter, "-I", "-m", "venv", str(self._tool)])

    def resolve(self, asked: Lock) -> Lock:
        """Return the lock with the registry's digests.

        Raises:
            UnavailableError: the registry does not have all of it, or cannot be asked.
        """
        found, missing = self.find(asked)
        if missing:
            raise UnavailableError(
                f"the registry does not have {', '.join(pin.requirement for pin in missing)}",
                hint="name a registry that has it in pip's configuration (extra-index-url, find-links), or "
                "audit with --in-place, which is weaker",
            )
        return found

    def find(self, asked: Lock) -> tuple[Lock, tuple[Pin, ...]]:
        """Return the lock of what the registry has, with its digests, and what it does not have.

        Raises:
            UnavailableError: it cannot be asked, or lacks more than `MAX_MISSING` of them.
        """
        missing: list[Pin] = []
        pins = list(asked.pins)
        while pins:
            with tempfile.TemporaryDirectory() as folder:
                report = Path(folder) / "report.json"
                words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
                done = self._run([*words, *(pin.requirement for pin in pins)], RESOLVE_SECONDS)
                if done.returncode == 0:
                    text = report.read_text(encoding="utf-8")
                    return from_report(asked.python, json.loads(text), pins), tuple(missing)
            found = _MISSING.search(done.stderr)
            if found is None or _UNREACHABLE.search(done.stderr):
                raise UnavailableError(
                    f"the registry could not be asked: {_last(done.stderr)}",
                    hint="pip's own configuration says where it is; --in-place needs none",
                )
            named = {canonical(name) for name in _NAMED.findall(found[1])}
            gone = [pin for pin in pins if canonical(pin.name) in named]
            missing += gone
            pins = [pin for pin in pins if pin not in gone]
            if not gone or len(missing) >= MAX_MISSING:
                break
        return Lock(asked.python, ()), tuple(missing + pins)

    def download(self, lock: Lock, folder: Path) -> list[Path]:
        """Fetch the files of a lock, each checked against its digest.

        Raises:
            UnavailableError: the registry does not give what the lock names.
        """
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write(lock.text())
            file.flush()
            words = ["download", "--quiet", "--require-hashes", "--dest", str(folder), "--requirement"]
            done = self._run([*words, file.name], INSTALL_SECONDS)
        if done.returncode != 0:
            raise UnavailableError(f"the registry did not give what it named: {_last(done.stderr)}")
        return sorted(folder.glob("*.whl"))

    def install(self, lock: Lock, environment: Path) -> None:
        """Make an environment of a lock's files, each checked against its digest.

        No code of what is installed runs.

        Raises:
            UnavailableError: the registry does not give what the lock names.
        """
        _made([self._interpreter, "-I", "-m", "venv", "--without-pip", str(environment)])
        if not lock.pins:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write(lock.text())
            file.flush()
            words = ["install", "--quiet", "--require-hashes", "--requirement", file.name]
            done = self._run(words, INSTALL_SECONDS, environment)
        if done.returncode != 0:
            raise UnavailableError(f"the registry did not give what it named: {_last(done.stderr)}")

    def _run(
        self, words: Sequence[str], seconds: float, environment: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        command, *rest = words
        own = _INSTALLING if command == "install" else ()
        program = [str(self._tool / "bin" / "python"), "-I", "-m", "pip"]
        python = ["--python", str(environment / "bin" / "python")] if environment else []
        try:
            return subprocess.run(
                [*program, *python, command, *_OPTIONS, *own, *rest],
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
                env={name: value for name, value in os.environ.items() if name not in _NOT_TAKEN},
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"the registry took longer than {seconds:.0f} s") from error


def interpreter_for(version: str, base: str) -> tuple[str, str]:
    """Return an interpreter of a version, this one's if it is the same, and what differs in words.

    Args:
        version: as recorded, such as ``3.11.7``; empty when it is not known.
        base: folder of the recorded installation.

    Raises:
        UnavailableError: this machine has none of the same minor version.
    """
    own = getattr(sys, "_base_executable", sys.executable)
    mine = ".".join(map(str, sys.version_info[:3]))
    if version in ("", mine):
        return own, ""
    minor = ".".join(version.split(".")[:2])
    recorded = Path(base) / "bin" / f"python{minor}"
    if recorded.is_file():
        return str(recorded), ""
    if mine.startswith(minor + "."):
        return own, f"Python {mine} instead of {version}"
    raise UnavailableError(
        f"the run used Python {version}, and this machine has none of its kind",
        hint=f"install Python {minor}, or audit on a machine that has it",
    )


def _made(command: Sequence[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_TAKEN}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=VENV_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"no virtual environment could be made: {error}") from error
    if done.returncode != 0:
        raise UnavailableError(
            f"no virtual environment could be made: {_last(done.stderr or done.stdout)}",
            hint="on Debian: apt install python3-venv",
        )


def _last(text: str) -> str:
    """Return the last line of an error, without the login of a registry's address."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return _LOGIN.sub("://", lines[-1])[:300] if lines else "it said nothing"
