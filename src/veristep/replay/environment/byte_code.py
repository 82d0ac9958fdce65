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
from contextlib import suppress
from pathlib import Path

from veristep.replay.room.setting import Interpreter
from veristep.replay.sandbox.choose import Sandbox
from veristep.replay.sandbox.view import Identity, Launch, Mount, View
from veristep.supervise import boot

DONE = "complete"
SECONDS = 300
# What every replay imports; the rest of an environment is small beside it.
_WARM = """
import torch, torch.utils.data, torch.distributed, torch.nn.parallel
from veristep.replay.inside import driver_torch
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

    That it could not be done costs time, nothing else.
    """
    place = interpreter.byte_code
    if (place / DONE).exists():
        return
    fresh: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=place.parent))
        if compile_into(interpreter, sandbox, executable, fresh):
            (fresh / DONE).touch()
            fresh.rename(place)
    except OSError:
        return  # somebody else was quicker, or there is no place for it
    finally:
        if fresh is not None:
            shutil.rmtree(fresh, ignore_errors=True)
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)


def compile_into(interpreter: Interpreter, sandbox: Sandbox, executable: str, fresh: Path) -> bool:
    """Have an environment compile what replays import into a folder; return whether it all worked.

    It runs sandboxed, with nothing of a run in view.
    """
    place = interpreter.byte_code
    with tempfile.TemporaryDirectory(prefix="vsw-") as folder:
        room = os.path.realpath(folder)
        seen = {*interpreter.readable, boot.package_folder(), *_own_environment(executable)}
        mounts = [Mount(each, each) for each in sorted(seen)]
        mounts += [Mount(each, each, writable=True) for each in (room, str(fresh))]
        if sandbox.own_root:
            # Shown where replays will find it: its files are named by where their source is, not by this.
            mounts.append(Mount(str(fresh), str(place), writable=True))
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPYCACHEPREFIX": str(place if sandbox.own_root else fresh),
            "PYTHONPATH": os.pathsep.join([str(Path(boot.package_folder()).parent), *interpreter.path]),
            "PYTHONNOUSERSITE": "1",
        }
        launch = Launch([executable, "-c", _WARM], room, environment, View(tuple(mounts)), Identity(), room)
        with Path(room, "output.txt").open("wb") as output:
            try:
                process = sandbox.start(launch, output)
            except (OSError, subprocess.SubprocessError):
                return False
            try:
                return process.wait(SECONDS) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                process.kill()
                process.wait()


def _own_environment(executable: str) -> list[str]:
    """Return the virtual environment of a program; one inside the code is not among what is readable."""
    folder = Path(executable).parent.parent
    return [str(folder)] if (folder / "pyvenv.cfg").exists() else []
