"""A git repository that a run starts from, and the check of its code driven by hand."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding
from veristep.guard.env.executed import NOTES as EXECUTED
from veristep.guard.policy import Policy
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.record.reads import NOTES
from veristep.supervise import code, describe
from veristep.supervise.checks.code import CodeCheck
from veristep.supervise.checks.protocol import Subject


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@cache
def template() -> Path:
    """Return a folder with both repositories, made once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="veristep-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    repo, lib = folder / "repo", folder / "library"
    for place in (repo, lib):
        place.mkdir()
        git(place, "init", "-q", "-b", "main")
    (lib / "loss.py").write_text("WEIGHT = 1.0\n")
    git(lib, "add", ".")
    git(lib, "commit", "-qm", "lib")
    (repo / "train.py").write_text("import model, helpers\n")
    (repo / "model.py").write_text("SCALE = 1.0\n")
    (repo / "config.yaml").write_text("seed: 7\n")
    git(repo, "submodule", "add", "-q", str(lib), "lib")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "first")
    return folder


@dataclass
class CodeRepository:
    """``repo``: a script, a module, a configuration and a submodule; and a ledger with a run of it."""

    folder: Path
    ledger: Ledger
    sites: Path = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        for name in ("repo", "library"):
            shutil.copytree(template() / name, self.folder / name)
        self.sites = self.folder / "venv" / "lib" / "python3.11" / "site-packages"
        (self.sites / "torch").mkdir(parents=True)
        self.opened("before")

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    def opened(self, run: str, verdict: str = "") -> None:
        """Log that a run of the repository as it is now was opened, and perhaps audited."""
        repository = describe.repository(self.repo)
        kept = code.capture(self.ledger.objects, self.repo, repository)
        objects = {"code": self.ledger.objects.put(kept.to_bytes())}
        commit: dict[str, Json] = {"commit": repository.commit if repository else ""}
        self.ledger.append(Draft("run.opened", {"repository": commit, "objects": objects}, run, "p"))
        if verdict:
            self.ledger.append(Draft("audit.done", {"verdict": verdict}, run, "p"))

    def run(self, executed: Sequence[Path] = (), read: Sequence[Path] = ()) -> list[Finding]:
        """Return what a run that executes and reads these is told."""
        self.count += 1
        run, boot = f"run{self.count}", self.folder / f"boot{self.count}"
        boot.mkdir()
        self.opened(run)
        lines = [json.dumps({"by": 1, "cwd": str(self.repo)})]
        installed = self.sites / "torch" / "__init__.py"
        paths = [self.repo / "train.py", self.repo / "model.py", installed, *executed]
        lines += [json.dumps([1, os.path.relpath(path, self.repo), "0", 1, ""]) for path in paths]
        (boot / EXECUTED).write_text("\n".join(lines) + "\n")
        for path in read:
            status = path.stat()
            with (boot / NOTES).open("a") as file:
                file.write(json.dumps(["read", str(path), status.st_size, status.st_mtime_ns]) + "\n")
        subject = Subject(
            run, "p", ("python", "train.py"), self.repo, self.repo, {}, boot, self.ledger, Policy()
        )
        self.check = CodeCheck(subject)
        return [*self.check.before(), *self.check.finish()]
