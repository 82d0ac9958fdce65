"""Processes with a gate and nobody who listens: what it would tell lies in a file."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from once import BYTE_CODE
from veristep.guard.load.gate import SETTINGS_FILE
from veristep.guard.load.notice import FILE
from veristep.record.config import RecordConfig
from veristep.supervise import boot
from veristep.supervise.checks.load import DEFAULTS

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Ended:
    """A process that ended.

    Attributes:
        told: what its gate told, and those of its children.
    """

    status: int
    out: str
    err: str
    told: list[dict[str, Any]]

    def names(self) -> list[tuple[str, str, bool]]:
        """Return the rule, the name and whether it was refused, of each name told of."""
        return [
            (each["rule"], f"{each['module']}.{each['name']}", each["refused"])
            for each in self.told
            if each["kind"] == "name"
        ]


def built() -> bool:
    """Whether the hook in C is built, or can be; it is built once and stays."""
    spec = importlib.util.spec_from_file_location("build_native", ROOT / "build_native.py")
    assert spec is not None
    assert spec.loader is not None
    native = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(native)
    made = native.SOURCE.parent / f"gate_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    if made.exists() and made.stat().st_mtime >= native.SOURCE.stat().st_mtime:
        return True
    return native.build(made.parent) is not None


@dataclass(frozen=True)
class Gated:
    """A folder in which processes start with a gate."""

    folder: Path
    root: str = "work"
    native: bool = False

    @property
    def work(self) -> Path:
        return self.folder / "work"

    def python(
        self, code: str, *words: str, actions: Mapping[str, str] | None = None, extra: str = ""
    ) -> Ended:
        """Run code in a process whose gate has been told what to do."""
        place = self.folder / "boot"
        run = self.folder / "run"
        for each in (place, run, self.work):
            each.mkdir(exist_ok=True)
        config = RecordConfig("run", str(place), str(run), "", boot.package_folder())
        boot.write(config)
        settings = {
            "directory": str(run),
            "root": str(self.folder / self.root),
            "native": self.native,
            "actions": {rule: action.value for rule, action in DEFAULTS.items()} | dict(actions or {}),
        }
        (place / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
        script = self.work / "script.py"
        script.write_text(code, encoding="utf-8")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "PYTHONPATH": os.pathsep.join(filter(None, (str(place), extra))),
            "PYTHONPYCACHEPREFIX": str(BYTE_CODE),
        }
        done = subprocess.run(
            [sys.executable, str(script), *words],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        try:
            lines = (run / FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            lines = []
        return Ended(done.returncode, done.stdout, done.stderr, [json.loads(each) for each in lines])
