"""Where a Python environment keeps what: read off its folders, without starting anything of it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from veristep.errors import NotFoundError

_VERSION = re.compile(r"python(\d+\.\d+)t?")
_PYTHON = re.compile(r"python(\d+(\.\d+)?)?t?")
_SHEBANG = re.compile(rb"#!\s*(\S+)(?:\s+(\S+))?")
_SHEBANG_BYTES = 512
# What pip and uv write a too long or spaced shebang as.
_SH = re.compile(rb"#!/bin/sh\n'''exec' \"?([^\"\n]+?)\"? \"\$0\"")


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of an environment.

    Attributes:
        executable: its interpreter.
        prefix: the environment's folder.
        base: folder of the installation that holds the standard library; `prefix` outside a virtual
            environment.
        interpreter: the installation's own interpreter, which knows nothing of the environment.
        version: ``3.11``.
        site: folders with installed packages, in the order they are searched.
        library: the standard library.
    """

    executable: str
    prefix: str
    base: str
    interpreter: str
    version: str
    site: tuple[str, ...]
    library: str

    @property
    def scripts(self) -> str:
        """Where console scripts are."""
        return f"{self.prefix}/bin"

    @property
    def virtual(self) -> bool:
        """Whether it is a virtual environment."""
        return self.prefix != self.base


def of_executable(executable: str, variables: Mapping[str, str] | None = None) -> Layout:
    """Return the layout of the environment an interpreter belongs to.

    Args:
        executable: path of the interpreter.
        variables: that it would be started with; they decide about the user's own packages.

    Raises:
        NotFoundError: there is no Python environment at that place.
    """
    found = os.path.abspath(executable)  # noqa: PTH100 - not resolved: the link is in the environment
    prefix = str(Path(found).parent.parent)
    settings = _settings(prefix)
    real = os.path.realpath(found)
    home = settings.get("home", "")
    base = str(Path(home).parent) if home else str(Path(real).parent.parent)
    if not settings:
        prefix = base
    version = _version(prefix, real) or _version(base, real)
    library = f"{base}/lib/python{version}"
    if not version or not os.path.isdir(library):  # noqa: PTH112
        raise NotFoundError(
            f"{executable} is not the interpreter of a Python environment",
            hint="name its python, or the folder of the environment: veristep env check .venv",
        )
    own = [f"{prefix}/lib/python{version}/site-packages", f"{prefix}/lib64/python{version}/site-packages"]
    shared = not settings or settings.get("include-system-site-packages", "").lower() == "true"
    if shared:
        own = [*_user(version, variables or os.environ), *own]
        own += [
            f"{base}/lib/python{version}/site-packages",
            f"{base}/local/lib/python{version}/dist-packages",
        ]
        own += ["/usr/lib/python3/dist-packages"] if base == "/usr" else []
    site: dict[str, str] = {}
    for each in own:
        if os.path.isdir(each):  # noqa: PTH112
            site.setdefault(os.path.realpath(each), each)
    interpreter = _first(f"{home or Path(real).parent}/python{version}", real)
    return Layout(found, prefix, base, interpreter, version, tuple(site.values()), library)


def of_folder(folder: Path) -> Layout:
    """Return the layout of an environment by its folder, or by its interpreter.

    Raises:
        NotFoundError: there is none.
    """
    if folder.is_dir():
        for name in ("bin/python3", "bin/python"):
            if (folder / name).exists():
                return of_executable(str(folder / name))
        raise NotFoundError(f"{folder} holds no Python environment: there is no bin/python in it")
    if not folder.exists():
        raise NotFoundError(f"there is no {folder}")
    return of_executable(str(folder))


def interpreter_of(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """Return the interpreter a command will be run by, as far as can be told without running it.

    That is the command itself, or what the first line of its script names; else the active virtual
    environment's, which is what a shell script would find. Empty when nothing tells.
    """
    program = shutil.which(command[0], path=variables.get("PATH")) if command else None
    if program is not None:
        found = program if _PYTHON.fullmatch(Path(program).name) else ""
        found = found if found and not _is_text(program) else _of_script(program, variables)
        if found:
            return found
    active = variables.get("VIRTUAL_ENV", "")
    return _first(f"{active}/bin/python3", f"{active}/bin/python") if active else ""


def _of_script(program: str, variables: Mapping[str, str]) -> str:
    head = _head(program)
    wrapped = _SH.match(head)
    if wrapped:
        return os.fsdecode(wrapped[1])
    found = _SHEBANG.match(head)
    if not found:
        return ""
    first, second = os.fsdecode(found[1]), os.fsdecode(found[2] or b"")
    if Path(first).name == "env" and second:
        first = shutil.which(second, path=variables.get("PATH")) or ""
    usable = _PYTHON.fullmatch(Path(first).name) and Path(first).exists() and not _is_text(first)
    return first if usable else ""


def _is_text(path: str) -> bool:
    return _head(path).startswith(b"#!")


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(_SHEBANG_BYTES)
    except OSError:
        return b""


def _settings(prefix: str) -> dict[str, str]:
    try:
        text = Path(prefix, "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _version(prefix: str, real: str) -> str:
    named = _VERSION.fullmatch(Path(real).name)
    if named:
        return named[1]
    try:
        names = sorted(os.listdir(f"{prefix}/lib"))  # noqa: PTH208
    except OSError:
        return ""
    found = [match[1] for match in map(_VERSION.fullmatch, names) if match]
    return found[-1] if found else ""


def _user(version: str, variables: Mapping[str, str]) -> list[str]:
    if variables.get("PYTHONNOUSERSITE"):
        return []
    home = variables.get("PYTHONUSERBASE") or f"{variables.get('HOME', '')}/.local"
    return [f"{home}/lib/python{version}/site-packages"]


def _first(*paths: str) -> str:
    return next((each for each in paths if os.path.exists(each)), "")  # noqa: PTH110
