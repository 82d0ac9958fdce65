"""The first thing of ours that runs in a Python process of a recorded run.

Called by the run's ``sitecustomize``. It must be quick (every process of the run pays for it) and must
never fail. Torch is followed only once the script imports it.
"""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from veristep.record.config import SOCKET_NAME, RecordConfig

HELLO_TIMEOUT_SECONDS = 0.5


class AfterImport:
    """Calls a function when a module has been imported, without importing it.

    Stands on ``sys.meta_path`` until every awaited module has come.
    """

    def __init__(self, awaited: dict[str, Callable[[ModuleType], None]]) -> None:
        self._awaited = awaited

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find an awaited module through the finders behind this one and follow its loading."""
        then = self._awaited.pop(name, None)
        if then is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Followed(spec.loader, then)  # type: ignore[assignment]
        return spec


class _Followed:
    """A loader that calls a function after the real one is done, and leaves no trace."""

    def __init__(self, loader: Any, then: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._then(module)
        except Exception as error:  # noqa: BLE001 - boundary: the script's import must succeed
            _complain(f"recording could not start: {error!r}; training goes on")


def start(boot: str) -> None:
    """Say hello to the supervisor and wait for torch."""
    config = RecordConfig.load(boot)
    _hello(config)
    sys.meta_path.insert(0, _torch_follower(config))  # type: ignore[arg-type]


def _hello(config: RecordConfig) -> None:
    message = {
        "type": "hello",
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "argv": sys.orig_argv,
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "path": sys.path,
        "rank": os.environ.get("RANK", ""),
        "time_ns": time.time_ns(),
    }
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(HELLO_TIMEOUT_SECONDS)
            peer.connect(str(Path(config.boot) / SOCKET_NAME))
            peer.send(json.dumps(message).encode()[:60_000], socket.MSG_NOSIGNAL)
    except OSError:
        return  # no supervisor any more: the recorder spools


def _torch_follower(config: RecordConfig) -> AfterImport:
    processes: list[Any] = []

    def torch_imported(_module: ModuleType) -> None:
        from veristep.record.session_torch import begin

        processes.append(begin(config, atexit.register))

    def safetensors_imported(module: ModuleType) -> None:
        from veristep.record.hooks_torch import wrap_safetensors

        if processes:
            wrap_safetensors(processes[0], module)

    return AfterImport({"torch": torch_imported, "safetensors.torch": safetensors_imported})


def _complain(message: str) -> None:
    try:
        sys.stderr.write(f"veristep: {message}\n")
    except (OSError, ValueError, AttributeError):
        return
