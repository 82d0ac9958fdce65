from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from veristep.guard.env.executed import NOTES
from veristep.guard.load.gate import SETTINGS_FILE
from veristep.record import bootstrap
from veristep.record.config import SOCKET_NAME, RecordConfig
from veristep.supervise import boot
from veristep.supervise.checks.load import DEFAULTS

HEAVY = ("sqlite3", "cryptography", "click", "rich", "torch", "numpy", "blake3", "asyncio")
# What the promise of 60 ms leaves for a busy machine; the measured cost is a third of it.
LIMIT_SECONDS = 0.060
PAIRS = 11


def test_what_runs_in_every_process_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import veristep.record.bootstrap; "
        "print('\\n'.join(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"socket", "pathlib", "dataclasses", "inspect", "typing"})


def test_every_python_process_starts_within_the_promise(tmp_path: Path) -> None:
    # The boot file of a run, with everything it starts: gate, notes of what runs, recorder.
    place, run = tmp_path / "boot", tmp_path / "run"
    place.mkdir()
    run.mkdir()
    boot.write(RecordConfig("run", str(place), str(run), "", boot.package_folder()))
    (place / NOTES).touch()
    actions = {rule: action.value for rule, action in DEFAULTS.items()}
    settings = {"directory": str(run), "root": str(tmp_path), "native": True, "actions": actions}
    (place / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    _start({}), _start({"PYTHONPATH": str(place)})
    differences = [_start({"PYTHONPATH": str(place)}) - _start({}) for _ in range(PAIRS)]
    assert median(differences) < LIMIT_SECONDS


def test_the_socket_is_where_the_supervisor_listens() -> None:
    assert bootstrap.SOCKET_FILE == SOCKET_NAME


def _start(variables: dict[str, str]) -> float:
    """Return the processor time a process takes: other work on the machine hardly changes it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = subprocess.Popen([sys.executable, "-c", "pass"], env=inherited | variables)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
