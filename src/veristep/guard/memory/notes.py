"""What a process sees in its memory, written down line by line beside the boot file.

All processes of a run write to the one file; each line says which process it is from.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

NOTES = "memory"
# Per process: what goes on finding things for ever is cut off, and says so.
MAX_BYTES = 64 << 20


class Notes:
    """The notes of this process."""

    def __init__(self, boot: str) -> None:
        self._place = f"{boot}/{NOTES}"
        self._descriptor = -1
        self._by = 0
        self._bytes = 0

    def write(self, kind: str, **fields: Any) -> None:
        """Add a line."""
        if self._bytes > MAX_BYTES:
            return
        if self._by != os.getpid():
            self._open()
        self._line({"pid": self._by, "time_ns": time.time_ns(), "kind": kind, **fields})

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._place, flags)
        self._by, self._bytes = os.getpid(), 0
        first = {
            "executable": sys.executable,
            "version": sys.version,
            "optimize": sys.flags.optimize,
            "cwd": os.getcwd(),  # noqa: PTH109
            "argv": sys.orig_argv,
            "path": [each for each in sys.path if type(each) is str],
            "prefixes": [sys.prefix, sys.base_prefix],
            "rank": os.environ.get("RANK", ""),
        }
        self._line({"pid": self._by, "time_ns": time.time_ns(), "kind": "process", **first})

    def _line(self, value: object) -> None:
        data = json.dumps(value, default=repr).encode("utf-8", "replace") + b"\n"
        self._bytes += len(data)
        if self._bytes > MAX_BYTES:
            data = json.dumps({"pid": self._by, "kind": "full", "time_ns": time.time_ns()}).encode() + b"\n"
        os.write(self._descriptor, data)
