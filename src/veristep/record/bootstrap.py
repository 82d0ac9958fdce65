"""The first thing of ours that runs in a Python process of a recorded run.

Called by the run's ``sitecustomize``. It must be quick (every process of the run pays for it) and must
never fail. Torch is followed only once the script imports it; what is needed then is imported then.
"""

from __future__ import annotations

import _socket  # `socket` itself takes longer to import than all of this to run
import json
import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` is not imported for the same reason
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

SOCKET_FILE = "socket"  # `config.SOCKET_NAME`
HELLO_TIMEOUT_SECONDS = 0.5
MAX_HELLO_BYTES = 60_000


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
        import importlib.util

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
    _hello(boot)
    sys.meta_path.insert(0, _torch_follower(boot))


def _hello(boot: str) -> None:
    message: dict[str, object] = {
        "type": "hello",
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "argv": sys.orig_argv,
        "python": sys.version.split()[0],
        "build": f"{sys.implementation.name} {' '.join(sys.version.split())}",
        "executable": sys.executable,
        "path": sys.path,
        "rank": os.environ.get("RANK", ""),
        "time_ns": time.time_ns(),
    }
    data = json.dumps(message).encode()
    if len(data) > MAX_HELLO_BYTES:
        data = json.dumps({**message, "argv": sys.orig_argv[:20], "path": []}).encode()
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
    try:
        peer.settimeout(HELLO_TIMEOUT_SECONDS)
        peer.connect(f"{boot}/{SOCKET_FILE}")
        peer.send(data[:MAX_HELLO_BYTES], _socket.MSG_NOSIGNAL)
    except OSError:
        return  # no supervisor any more: the recorder spools
    finally:
        peer.close()


def _torch_follower(boot: str) -> AfterImport:
    processes: list[Any] = []

    def torch_imported(_module: ModuleType) -> None:
        import atexit

        from veristep.record.config import RecordConfig
        from veristep.record.session_torch import begin

        processes.append(begin(RecordConfig.load(boot), atexit.register))

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
