"""The per-run boot directory that brings the recorder into every Python process of a run."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import veristep
from veristep.record.config import RecordConfig

# Runs before the script's own code in each process. It must work in any interpreter the run starts, so
# it is plain, and it must not fail: whatever goes wrong is told once and training goes on. The
# sitecustomize it stands in front of is run afterwards, as it would have been.
_SITECUSTOMIZE = """\
import importlib.machinery
import os
import sys
# What `importlib.util.module_from_spec` is, without the rest of that module, which is slow to import.
from importlib._bootstrap import module_from_spec


def _load(name, spec):
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _veristep(here):
    try:
        package = %(package)r
        _load("veristep", importlib.machinery.PathFinder.find_spec("veristep", [package]))
    except Exception as error:
        _complain("not recording", error)
        return
    try:
        # Before anything else of ours: what runs earlier is not guarded.
        from veristep.guard.load.gate import start as guard

        guard(here)
    except Exception as error:
        _complain("loads are not guarded in", error)
    try:
        from veristep.guard.env.executed import start as note

        note(here)
    except Exception as error:
        _complain("what runs is not noted in", error)
    try:
        from veristep.guard.process.standing import start as watch

        watch(here)
    except Exception as error:
        _complain("waits are not watched in", error)
    try:
        from veristep.guard.memory.sentry import start as watch

        watch(here)
    except Exception as error:
        _complain("memory is not watched in", error)
    try:
        from veristep.record.bootstrap import start

        start(here)
    except Exception as error:
        _complain("not recording", error)


def _complain(what, error):
    try:
        text = "veristep: %%s %%s: %%r; training goes on\\n"
        sys.stderr.write(text %% (what, sys.executable, error))
    except Exception:
        pass


def _others(here):
    rest = [path for path in sys.path if os.path.realpath(path or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        _load("sitecustomize", spec)


_here = os.path.dirname(os.path.abspath(__file__))
_veristep(_here)
_others(os.path.realpath(_here))
"""


def package_folder() -> str:
    """Return the folder of the veristep package that is running."""
    return str(Path(veristep.__file__).resolve().parent)


def make_folder() -> Path:
    """Create a private directory with a path short enough for a unix socket (108 bytes)."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    usable = base and len(base) < 60 and os.access(base, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="veristep-", dir=base if usable else "/tmp"))  # noqa: S108


def write(config: RecordConfig) -> None:
    """Write the boot file and the configuration beside it."""
    config.save()
    text = _SITECUSTOMIZE % {"package": str(Path(config.package).parent)}
    (Path(config.boot) / "sitecustomize.py").write_text(text, encoding="utf-8")


def environment(base: Mapping[str, str], config: RecordConfig) -> dict[str, str]:
    """Return the environment of the training command.

    Byte code goes to a private directory per user and interpreter: a poisoned ``.pyc`` in a shared
    ``__pycache__`` would otherwise run in place of clean source.
    """
    env = dict(base)
    path = env.get("PYTHONPATH", "")
    env["PYTHONPATH"] = config.boot + (os.pathsep + path if path else "")
    env["VERISTEP_RUN"] = config.run
    env.setdefault("PYTHONPYCACHEPREFIX", str(byte_code_folder(env)))
    return env


def private_caches(env: dict[str, str], folder: str) -> None:
    """Give a run compile caches of its own, where its user has chosen none.

    Torch's default is one folder per user below the system's temporary directory: whoever can write it runs
    code at the next warm `torch.compile`.
    """
    for variable, name in (("TORCHINDUCTOR_CACHE_DIR", "inductor"), ("TRITON_CACHE_DIR", "triton")):
        if not env.get(variable):
            place = Path(folder) / "compiled" / name
            place.mkdir(parents=True, mode=0o700)
            env[variable] = str(place)


def byte_code_folder(env: Mapping[str, str]) -> Path:
    """Return the private byte-code directory."""
    home = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME", "/tmp")) / ".cache")  # noqa: S108
    folder = home / "veristep" / "pycache" / f"{sys.implementation.cache_tag}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="veristep-pycache-"))
    return folder
