"""Whose code a file is: the run's own, as recorded; a package's, as RECORD or dpkg has it; or nobody's."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from veristep.errors import VeristepError
from veristep.guard.process.waited import Whose
from veristep.supervise.boot import package_folder
from veristep.supervise.checks.protocol import Subject
from veristep.supervise.code import Code

_SITES = ("site-packages", "dist-packages")
COMPILE_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_DPKG = Path("/var/lib/dpkg/info")


class Owners:
    """Answers whose a file is, each file once; the answer of a file that changed meanwhile may be old."""

    def __init__(
        self, own: Iterable[str] = (), standard: Iterable[str] = (), made: Iterable[str] = ()
    ) -> None:
        """Remember what is known.

        Args:
            own: paths of the run's own files, as recorded.
            standard: folders of the standard library.
            made: folders that torch writes the code into that it makes of the run's own.
        """
        self._own = {os.path.realpath(path) for path in own}
        self._standard = set(standard)
        self._made = tuple(os.path.realpath(folder) + os.sep for folder in made if folder)
        self._known: dict[str, Whose] = {}
        self._records: dict[str, dict[str, str]] = {}

    @classmethod
    def of(cls, subject: Subject) -> Owners:
        """Return them for a run, with its code as it was recorded."""
        # Who else can write there is another check's question (`compile_cache`).
        made = [subject.environment.get(name, "") for name in COMPILE_CACHES]
        try:
            opened = next(subject.ledger.entries(run=subject.run, kind="run.opened"))
            objects = opened.body["objects"]
            name = str(objects["code"]) if isinstance(objects, Mapping) else ""
            code = Code.from_bytes(subject.ledger.objects.read(name))
        except (StopIteration, KeyError, TypeError, OSError, VeristepError):
            return cls(made=made)
        own = (os.path.join(code.root, file.path) for file in code.files)  # noqa: PTH118
        return cls(own, made=made)

    def add_standard(self, folders: Iterable[str]) -> None:
        """Learn where an interpreter of the run has its standard library."""
        new = set(folders) - self._standard
        if new:
            self._standard |= new
            self._known.clear()

    def __call__(self, file: str) -> Whose:
        """Return whose a file is."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self._judge(file)
        return known

    def _judge(self, file: str) -> Whose:
        if file.startswith("<frozen "):
            return Whose.STANDARD
        if file.startswith("<") or not file:
            return Whose.GENERATED
        path = os.path.realpath(file)
        if path.startswith((package_folder() + os.sep, *self._made)):
            return Whose.LIBRARY
        site = _site(path)
        if site:
            if not self._as_brought(site, path):
                return Whose.FOREIGN
            return Whose.TORCH if path.startswith(f"{site}/torch/") else Whose.LIBRARY
        if any(path.startswith(folder.rstrip("/") + "/") for folder in self._standard):
            return Whose.STANDARD
        if path in self._own:
            return Whose.OWN
        return Whose.LIBRARY if self._is_script(path) else Whose.FOREIGN

    def _is_script(self, path: str) -> bool:
        """Whether a file is a console script that a package brought."""
        place = Path(path)
        if place.parent.name != "bin":
            return False
        sites = place.parent.parent.glob("lib/python3*/site-packages")
        return any(self._as_brought(str(site), path) for site in sites)

    def _as_brought(self, site: str, path: str) -> bool:
        wanted = self._recorded(site).get(os.path.relpath(path, site), "")
        try:
            data = Path(path).read_bytes()
        except OSError:
            return False
        if wanted:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            return wanted == f"sha256={digest}"
        return _debian(path, data)

    def _recorded(self, site: str) -> dict[str, str]:
        """Return, by path below a folder of packages, the digest that a RECORD has of it."""
        known = self._records.get(site)
        if known is None:
            known = self._records[site] = {}
            for record in Path(site).glob("*.dist-info/RECORD"):
                try:
                    with record.open(encoding="utf-8", newline="") as rows:
                        known |= {row[0]: row[1] for row in csv.reader(rows) if len(row) > 1 and row[1]}
                except (OSError, ValueError, csv.Error):
                    continue
        return known


def _site(path: str) -> str:
    folders = Path(path).parents
    return next((str(folder) for folder in folders if folder.name in _SITES), "")


def _debian(path: str, data: bytes) -> bool:
    """Whether a package of the system brought a file as it is: by MD5, which is all that dpkg keeps."""
    if not path.startswith("/usr/lib/"):
        return False
    line = f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {path[1:]}"
    try:
        return any(
            line in listed.read_text(encoding="utf-8", errors="replace").splitlines()
            for listed in _DPKG.glob("*.md5sums")
        )
    except OSError:
        return False
