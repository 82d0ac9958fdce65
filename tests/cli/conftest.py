"""One real run, recorded and audited once for all tests of the reading commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from once import BYTE_CODE, leave_environment_alone, made_once, share_byte_code

SCRIPTS = Path(__file__).parent.parent / "scripts"
TIMEOUT_SECONDS = 180


@dataclass(frozen=True)
class Cli:
    """Calls the command line as a person would."""

    folder: Path
    ledger: Path
    environment: dict[str, str]

    def __call__(
        self, *arguments: str | Path, ledger: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `veristep ARGUMENTS`."""
        environment = {**self.environment, "VERISTEP_LEDGER": str(ledger or self.ledger)}
        return subprocess.run(
            [sys.executable, "-m", "veristep.cli.main", *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


def _environment(home: Path) -> dict[str, str]:
    dropped = ("PYTHONDONTWRITEBYTECODE", "VERISTEP_PROJECT", "NO_COLOR")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    folders = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    for name in folders:
        environment[name] = str(home / name.lower())
    environment["HOME"] = str(home)
    environment["PYTHONPYCACHEPREFIX"] = str(BYTE_CODE)
    share_byte_code(Path(environment["XDG_CACHE_HOME"]))
    return environment


@pytest.fixture(scope="session")
def veristep(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A folder with a run of 30 steps in its ledger, two of whose intervals were audited."""
    return _cli(made_once(tmp_path_factory, "reading", _record))


def _cli(base: Path) -> Cli:
    return Cli(base / "training", base / "home" / "ledger", _environment(base / "home"))


def _record(base: Path) -> None:
    leave_environment_alone(base)
    cli = _cli(base)
    cli.folder.mkdir()
    for name in ("classifier_loader.py", "digits.npz"):
        shutil.copy(SCRIPTS / name, cli.folder)
    ran = cli("run", "--interval", "5", "--", sys.executable, "classifier_loader.py")
    assert ran.returncode == 0, ran.stderr
    audited = cli("audit", "--intervals", "2", "--in-place")
    assert audited.returncode == 0, audited.stdout + audited.stderr


@pytest.fixture
def broken(veristep: Cli, tmp_path: Path) -> Path:
    """A copy of the ledger, to break."""
    return Path(shutil.copytree(veristep.ledger, tmp_path / "ledger"))
