"""A laboratory: private home, private ledger, real processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from once import BYTE_CODE, leave_environment_alone, share_byte_code

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Return what it printed, as JSON."""
        return json.loads(self.out)


@dataclass
class Lab:
    """Runs the command line the way a user does, in a home and with a ledger of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("home", "work", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        home = self.folder / "home"
        share_byte_code(home / "cache")
        leave_environment_alone(self.folder)
        keep = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
        self.environment = {name: os.environ[name] for name in keep if name in os.environ} | {
            "HOME": str(home),
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "VERISTEP_LEDGER": str(self.ledger),
            # Building torch's environment from the registry takes minutes; its tests ask for it.
            "VERISTEP_IN_PLACE": "1",
            "PYTHONPYCACHEPREFIX": str(BYTE_CODE),
            "OMP_NUM_THREADS": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(BYTE_CODE / "inductor"),
        }

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def copy(self, folder: Path) -> Lab:
        """Return another laboratory with a copy of the ledger, to break; trainings lie where they lay."""
        other = Lab(folder)
        shutil.copytree(self.ledger, other.ledger)
        shutil.copytree(self.folder / "home" / "state", other.folder / "home" / "state", dirs_exist_ok=True)
        return other

    def script(self, name: str) -> Path:
        """Copy a training script and its data into the working directory."""
        for each in (f"{name}.py", "digits.npz", "corpus.txt"):
            shutil.copy(SCRIPTS / each, self.work / each)
        return self.work / f"{name}.py"

    def veristep(
        self,
        *words: str,
        extra: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Done:
        """Run ``veristep WORDS``."""
        done = subprocess.run(
            [sys.executable, "-m", "veristep.cli.main", *words],
            cwd=cwd or self.work,
            env=self.environment | dict(extra or {}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def started(
        self, *words: str, extra: Mapping[str, str] | None = None, stdin: int | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Run ``veristep WORDS`` beside the test; it is ended when the test is done with it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "veristep.cli.main", *words],
            cwd=self.work,
            env=self.environment | dict(extra or {}),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def record(
        self,
        command: Sequence[str],
        *,
        interval: int = 10,
        extra: Mapping[str, str] | None = None,
    ) -> str:
        """Record a command with every block digested; return the run's id."""
        options = ["--interval", str(interval), "--digests", "full"]
        done = self.veristep("run", *options, "--", *command, extra=extra)
        assert done.status == 0, done.err
        runs = self.veristep("runs", "--json").json()["runs"]
        return str(runs[-1]["run"])

    def audit(
        self,
        *words: str,
        status: int | None = 0,
        cheap: bool = True,
        extra: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Audit and return the verdict; the exit status must be `status`.

        Checks that cost further replays are for the tests that are about them: a cheap audit has none that
        `words` does not ask for; the others are as a user has them.
        """
        for option in ("--conditions-budget", "--pretend"):
            if cheap and option not in words and "--from-start" not in words:
                words = (*words, option, "0")
        done = self.veristep("audit", *words, "--json", extra=extra)
        assert status is None or done.status == status, done.out + done.err
        result: dict[str, Any] = done.json()
        return result


def python(script: str | Path, *arguments: str) -> list[str]:
    """Return the command line that runs a script with this interpreter."""
    return [sys.executable, str(script), *arguments]


def torchrun(script: str | Path, *arguments: str, ranks: int = 2) -> list[str]:
    """Return the command line that runs a script on several ranks of this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, f"--nproc_per_node={ranks}", str(script), *arguments]
