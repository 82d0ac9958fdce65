"""A clean process to compare with, and the memory of what it said."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from veristep.guard.memory import clean
from veristep.supervise.env.compiler import Interpreter

_KEPT = ("PATH", "LANG", "LC_ALL", "HOME", "LD_LIBRARY_PATH", "CUDA_HOME")

Digests = tuple[str, str]


@dataclass(slots=True)
class Clean:
    """What stands under which name.

    Attributes:
        modules: by module and dotted name, the digests of code and of what it is given: before and after
            its first use.
        names: by digests, one name that has them.
    """

    modules: dict[str, dict[str, tuple[Digests, ...]]]
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: dict[str, Any]) -> Clean:
        """Return it from what the process printed."""
        modules = {
            str(module): {str(path): tuple(_pair(each) for each in pairs) for path, pairs in slots.items()}
            for module, slots in value["modules"].items()
        }
        made = cls(modules)
        for module, slots in modules.items():
            for path, pairs in slots.items():
                for code, _ in pairs:
                    made.names.setdefault(code, f"{module}.{path}")
        return made

    def of_name(self, module: str, path: str) -> tuple[Digests, ...]:
        """Return what may stand under a name; nothing when the clean process has not got it."""
        return self.modules.get(module, {}).get(path, ())


def _pair(value: Any) -> Digests:
    code, rest = value
    return str(code), str(rest)


class CleanProcesses:
    """Asks one clean process per environment, on threads of its own: importing torch takes seconds."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[tuple[str, ...], Future[Clean | None]] = {}

    def of(self, interpreter: Interpreter, site: tuple[str, ...]) -> Future[Clean | None]:
        """Return what a clean process of an interpreter has, or will have; None when it gives no answer.

        Args:
            interpreter: of the run's process.
            site: folders with its installed packages.
        """
        key = (interpreter.executable, interpreter.version, str(interpreter.optimize), *site)
        if key not in self._known:
            place = self._cache / f"clean-{sha256(repr(key).encode()).hexdigest()[:24]}.json"
            future = self._known[key] = Future()

            def asked() -> None:
                try:
                    future.set_result(_remembered(place) or self._ask(interpreter, site, place))
                except Exception as error:  # noqa: BLE001 - boundary: whoever waits is told
                    future.set_exception(error)

            threading.Thread(target=asked, name="veristep-clean", daemon=True).start()
        return self._known[key]

    @staticmethod
    def _ask(interpreter: Interpreter, site: tuple[str, ...], place: Path) -> Clean | None:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        optimize = ["-" + "O" * interpreter.optimize] if interpreter.optimize else []
        command = [interpreter.executable, "-I", "-S", *optimize, clean.__file__, str(place), *site]
        environment = {name: value for name, value in os.environ.items() if name in _KEPT}
        process = subprocess.Popen(
            command,
            env=environment | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        process.wait()
        return _remembered(place)


def _remembered(place: Path) -> Clean | None:
    """Return what was said before, if every file it came from is as it was."""
    try:
        said = json.loads(place.read_text(encoding="utf-8"))
        if any(clean.state(file) != state for file, state in said["states"].items()):
            return None
        return Clean.of(said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
