"""Reads the notes that samplers leave in the boot directory of a run, as far as they are complete lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Read at once; what is longer waits for the next look.
_MOST_BYTES = 4 << 20


class Notes:
    """A file of JSON lines that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.broken = 0

    def new(self) -> list[Mapping[str, Any]]:
        """Return the lines since the last time; what is none is counted."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        whole, end, _ = data.rpartition(b"\n")
        self._read += len(whole) + len(end)
        found: list[Mapping[str, Any]] = []
        for line in whole.split(b"\n") if whole else ():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                self.broken += 1
                continue
            if isinstance(value, dict):
                found.append(value)
            else:
                self.broken += 1
        return found
