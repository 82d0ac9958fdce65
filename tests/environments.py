"""A small virtual environment with packages from wheels that are made here, and its reference."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding
from veristep.guard.env import layout, preflight, survey, wheel
from veristep.guard.env.reference import Distribution, Reference, Source
from veristep.supervise.env.outside import _answer

PARTS = {
    "parts/__init__.py": "from parts.core import rate\n",
    "parts/core.py": "STEP = 1.0\n\n\ndef rate():\n    return STEP\n",
    "parts/lazy.py": "def optimizer():\n    return None\n",
    "parts/table.json": '{"rate": 1.0}',
    "parts/native.so": "\x7fELF as good as one",
    "parts.pth": "# nothing\n",
    "parts-1.0.data/scripts/partstool": "#!python\nprint('tool')\n",
    "parts-1.0.data/data/share/parts/note.txt": "a note\n",
}
SPACE = {"space/one.py": "ONE = 1\n"}
# Of no registry: installed from a folder.
MINE = {
    "mine/__init__.py": "",
    "mine/core.py": "RATE = 1.0\n",
    "mine/checks.py": "def check(): ...\n",
    "mine/rates.json": '{"rate": 1.0}',
}
_SCRIPT = """#!{python}
# -*- coding: utf-8 -*-
import re
import sys
from parts.core import rate
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(rate())
"""


def make_wheel(folder: Path, name: str, files: Mapping[str, str], entries: str = "") -> Path:
    """Write a wheel."""
    info = f"{name}-1.0.dist-info"
    content = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if entries:
        content[f"{info}/entry_points.txt"] = entries
    rows = []
    for path, text in content.items():
        digest = (
            base64.urlsafe_b64encode(hashlib.sha256(text.encode("latin-1")).digest()).decode().rstrip("=")
        )
        rows.append(f"{path},sha256={digest},{len(text)}")
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    made = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in content.items():
            archive.writestr(path, text.encode("latin-1"))
    return made


def make_environment(folder: Path) -> tuple[Path, Reference]:
    """Make a virtual environment, install the packages as an installer does, and return its reference."""
    prefix = folder / "venv"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = prefix / f"lib/python{version}/site-packages"
    site.mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    (prefix / "bin").mkdir()
    (prefix / "bin/python3").symlink_to(base)
    (prefix / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    entries = "[console_scripts]\npartsrun = parts.core:rate\n"
    wheels = [make_wheel(folder, "parts", PARTS, entries), make_wheel(folder, "space", SPACE)]
    for each in wheels:
        install(each, prefix, site)
    (prefix / "bin/partsrun").write_text(_SCRIPT.format(python=prefix / "bin/python3"))
    found = layout.of_folder(prefix)
    mine = make_wheel(folder, "mine", MINE)
    install(mine, prefix, site)
    local = replace(
        published(mine, str(site), version), source=Source.SEEN, wheel="", sha256="", why="local"
    )
    distributions = (*(published(each, str(site), version) for each in wheels), local)
    seen, byte_code = library(found.library), library_byte_code(found.library)
    return prefix, Reference(str(prefix), found.library, version, distributions, seen, byte_code)


def install(path: Path, prefix: Path, site: Path) -> None:
    """Put the members of a wheel where they go."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            place = site / name
            if ".data/scripts/" in name:
                place = prefix / "bin" / name.rpartition("/")[2]
                data = data.replace(b"#!python", f"#!{prefix}/bin/python3".encode())
            elif ".data/data/" in name:
                place = prefix / name.partition(".data/data/")[2]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    (site / f"{path.name.split('-')[0]}-1.0.dist-info/INSTALLER").write_text("pip\n")


def published(path: Path, site: str, version: str) -> Distribution:
    """Return what a wheel installs."""
    read = wheel.read(path, version)
    name = path.name.split("-")[0]
    return Distribution(
        name,
        "1.0",
        Source.REGISTRY,
        site,
        read.files,
        read.scripts,
        path.name,
        read.sha256,
        owned=read.owned,
    )


@cache
def _library(folder: str) -> survey.Survey:
    packages = f"{folder}/site-packages"
    return survey.take([folder], [], survey.Memory(), byte_code=True, skip=[packages])


def library(folder: str) -> dict[str, str]:
    """Return the standard library as it stands."""
    files = _library(folder).files.items()
    return {path[len(folder) + 1 :]: each.digest for path, each in files if "/__pycache__/" not in path}


def library_byte_code(folder: str) -> dict[str, str]:
    """Return its byte code, taken to be made of it: compiling it all takes too long for a test."""
    return {path: each.digest for path, each in _library(folder).files.items() if path.endswith(".pyc")}


def look(
    prefix: Path, reference: Reference | None, **request: Any
) -> tuple[list[Finding], Mapping[str, Tally]]:
    """Look at an environment, in this process."""
    memory = prefix.parent / "memory"
    secret = b"a secret"
    if not memory.exists():
        taken = _library(layout.of_folder(prefix).library)
        survey.remember(memory, taken, secret, taken.began_ns)
    variables = {}
    with_variables = prefix / "variables"
    if with_variables.exists():
        variables = dict(line.split("=", 1) for line in with_variables.read_text().splitlines())
    asked = {
        "executable": str(prefix / "bin/python3"),
        "memory": str(memory),
        "secret": secret.hex(),
        "variables": variables,
        "full": False,
        "byte_code": True,
        "seconds": 20,
        **request,
    }
    answer = _answer({**preflight.answer_to(asked, reference), "seconds": 0})
    return list(answer.findings), answer.coverage


def site_of(prefix: Path) -> Path:
    """Return the folder with installed packages."""
    return next(prefix.glob("lib/python*/site-packages"))
