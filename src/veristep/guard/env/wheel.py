"""What installing a wheel puts where: every member by digest, at the path it is installed under.

The binary distribution format (PEP 427) says that a folder ``NAME-VERSION.data`` holds what goes elsewhere:
scripts, data, headers. Installers write the first line of scripts, and wrappers for entry points.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from veristep.errors import MalformedError
from veristep.guard.env.reference import AFTER_FIRST_LINE

# From a folder with installed packages to the environment's: lib/pythonX.Y/site-packages.
UP = "../../../"
_DATA = re.compile(r"([^/]+)\.data/([a-z]+)/(.+)")
_INFO = re.compile(r"[^/]+\.dist-info/(.+)")
_READ_BYTES = 1 << 20
_PYTHON_LINE = b"#!python"
# Written by installers, not by who published: never compared.
NOT_PUBLISHED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "RECORD.jws")


@dataclass(frozen=True, slots=True)
class Wheel:
    """The content of a wheel: see `reference.Distribution` for the fields."""

    files: dict[str, str]
    scripts: dict[str, str]
    owned: tuple[str, ...]
    sha256: str


def read(path: Path, version: str) -> Wheel:
    """Return what a wheel installs.

    Args:
        path: the file.
        version: of the interpreter, ``3.11``: headers go into a folder of that name.

    Raises:
        MalformedError: it is no wheel.
        OSError: it cannot be read.
    """
    files: dict[str, str] = {}
    scripts: dict[str, str] = {}
    owned = []
    project = path.name.split("-", 1)[0]
    try:
        with zipfile.ZipFile(path) as archive:
            # Of two members with one name an installer leaves the later one, and so does this.
            for name in archive.namelist():
                place = _place(name, version, project)
                if name.endswith("/") or not place:
                    continue
                if "/__pycache__/" in f"/{place}":
                    owned.append(place)
                    continue
                files[place] = _digest(archive, name)
                if name.endswith(".dist-info/entry_points.txt"):
                    scripts |= _scripts(archive.read(name))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise MalformedError(f"{path.name} is not a wheel: {error}") from error
    return Wheel(files, scripts, tuple(owned), file_digest(path))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(name: str, version: str, project: str) -> str:
    """Return where a member goes; empty for what an installer writes itself."""
    info = _INFO.fullmatch(name)
    if info and info[1] in NOT_PUBLISHED:
        return ""
    data = _DATA.fullmatch(name)
    if not data:
        return str(PurePosixPath(name))
    key, rest = data[2], data[3]
    return {
        "purelib": "",
        "platlib": "",
        "scripts": f"{UP}bin/",
        "data": UP,
        "headers": f"{UP}include/site/python{version}/{project}/",
    }.get(key, f"{UP}{key}/") + rest


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    hasher = hashlib.sha256()
    with archive.open(name) as file:
        head = file.readline(_READ_BYTES) if "/scripts/" in name else b""
        fixed = head.startswith(_PYTHON_LINE)
        if not fixed:
            hasher.update(head)
        while block := file.read(_READ_BYTES):
            hasher.update(block)
    return (AFTER_FIRST_LINE if fixed else "") + hasher.hexdigest()


def _scripts(text: bytes) -> dict[str, str]:
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        parser.read_string(text.decode("utf-8", "replace"))
    except ConfigError:
        return {}
    found = {}
    for section in ("console_scripts", "gui_scripts"):
        if parser.has_section(section):
            for name, value in parser.items(section):
                found[f"{UP}bin/{name}"] = value.split("[")[0].replace(" ", "")
    return found
