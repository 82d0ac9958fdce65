"""Byte code for replays: made once by the environment itself, then only read.

Training's byte code is not used, because whoever can write it can have other code run in place of clean
source. A replay cannot write the folder either, or one run's script could leave byte code for the replay of
another's. What is not in the folder is compiled again by each process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from veristep.replay.sandbox.choose import Sandbox
from veristep.replay.sandbox.view import Identity, Launch, Mount, View
from veristep.replay.setting import Interpreter
from veristep.supervise import boot

DONE = "complete"
SECONDS = 300
# What every replay imports; the rest of an environment is small beside it.
_WARM = """
import torch, torch.utils.data, torch.distributed, torch.nn.parallel
from veristep.replay import driver_torch
for name in ("numpy", "torch.distributed.run", "torch._dynamo"):
    try:
        __import__(name)
    except ImportError:
        pass
"""


def folder() -> Path:
    """Return where byte code is kept: per user, one folder for each environment in it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "veristep" / "replay-bytecode"
    try:
        place.mkdir(mode=0o700, exist_ok=True, parents=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="veristep-bytecode-"))
    return place


def warm(interpreter: Interpreter, sandbox: Sandbox, executable: str) -> None:
    """Have an environment compile what replays import, unless it was done before.

    It runs sandboxed, with nothing of the run in view. That it could not be done costs time, nothing else.
    """
    place = interpreter.byte_code
    if (place / DONE).exists():
        return
    room = Path(tempfile.mkdtemp(prefix="vsw-"))
    fresh = room
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=place.parent))
        mounts = [Mount(each, each) for each in {*interpreter.readable, boot.package_folder()}]
        own = [Mount(str(each), str(each), writable=True) for each in (room, fresh)]
        view = View((*own, *mounts, *_as(place, fresh, sandbox)))
        paths = [str(Path(boot.package_folder()).parent), *interpreter.path]
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPYCACHEPREFIX": str(place if sandbox.own_root else fresh),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONNOUSERSITE": "1",
        }
        command = [interpreter.program(executable), "-c", _WARM]
        launch = Launch(command, str(room), environment, view, Identity(), str(room))
        with (room / "output.txt").open("wb") as output:
            process = sandbox.start(launch, output)
            try:
                ended = process.wait(SECONDS)
            finally:
                process.kill()
        if ended == 0:
            (fresh / DONE).touch()
            fresh.rename(place)
    except (OSError, subprocess.SubprocessError):
        return  # somebody else was quicker, or there is no place for it: replays take longer
    finally:
        shutil.rmtree(room, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)


def _as(place: Path, fresh: Path, sandbox: Sandbox) -> list[Mount]:
    """Show the fresh folder where replays will find it."""
    return [Mount(str(fresh), str(place), writable=True)] if sandbox.own_root else []
