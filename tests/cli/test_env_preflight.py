"""`veristep env preflight` says what a run would say before it starts anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from environments import make_environment
from veristep.drill.attack import family


def preflight(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"VERISTEP_LEDGER": str(folder / "ledger"), "XDG_CACHE_HOME": str(folder), **variables}
    command = [sys.executable, "-m", "veristep.cli.main", "env", "preflight", "--json", "--", *words]
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def test_an_attack_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    attack = next(each for each in family("preflight") if each.name == "padded start line")
    path = attack.plant(prefix)
    (tmp_path / "train.py").write_text("open('started', 'w')\n")
    done = preflight(tmp_path, str(prefix / "bin/python3"), "train.py")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert [(each["rule"], each["evidence"]["path"]) for each in found] == [("ENV007", str(path))]
    assert not (tmp_path / "started").exists()


def test_what_starts_no_python_is_said(tmp_path: Path) -> None:
    done = preflight(tmp_path, "/bin/true", VIRTUAL_ENV="")
    assert done.returncode == 2
    assert "cannot be told" in done.stderr
