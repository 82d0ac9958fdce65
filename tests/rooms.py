"""Settings for tests that make rooms without an audit."""

from __future__ import annotations

import sys
from pathlib import Path

from veristep.replay.environment.in_place import in_place
from veristep.replay.room.setting import Setting
from veristep.replay.sandbox import choose
from veristep.replay.sandbox.choose import Sandbox
from veristep.supervise.env.recorded import RecordedPython


def setting(folder: Path, sandbox: Sandbox | None = None, root: str = "/nowhere") -> Setting:
    """Return a setting with this interpreter's own environment."""
    python = RecordedPython(sys.executable, "", tuple(each for each in sys.path if each))
    interpreter = in_place(python, root, folder / "bytecode")
    return Setting(sandbox or choose.unsandboxed(), interpreter)
