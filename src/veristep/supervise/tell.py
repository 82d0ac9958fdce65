"""Telling people of findings, by a command of their own: `[tell]` of the policy."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable

from veristep.core.verdicts import SCHEMA, Finding
from veristep.guard.policy import Tell

MOST_SECONDS = 60.0
# A check that finds thousands of things must not start thousands of processes.
MOST_AT_ONCE, MOST = 4, 200


class Teller:
    """Starts the command for each finding and never waits for it."""

    def __init__(self, tell: Tell, gap: Callable[[str, str], None]) -> None:
        """Make it.

        Args:
            tell: whom, and how.
            gap: is told why somebody was not.
        """
        self._tell = tell
        self._gap = gap
        self._waiting: list[Finding] = []
        self._running: list[tuple[subprocess.Popen[bytes], float]] = []
        self._count = 0
        self._failed = False

    def about(self, finding: Finding) -> None:
        """Tell of a finding, soon."""
        if not self._tell.command:
            return
        self._count += 1
        if self._count <= MOST:
            self._waiting.append(finding)
        elif self._count == MOST + 1:
            self._gap("tell", f"more than {MOST} findings: people are told of no more of them")

    def look(self) -> None:
        """Start what waits, and end what takes too long."""
        now = time.monotonic()
        going = []
        for process, began in self._running:
            status = process.poll()
            if status is None and now - began > MOST_SECONDS:
                process.kill()
                self._fails(f"{self._tell.command[0]} took longer than {MOST_SECONDS:.0f} s")
            elif status is None:
                going.append((process, began))
            elif status:
                self._fails(f"{self._tell.command[0]} ended with {status}")
        self._running = going
        while self._waiting and len(self._running) < MOST_AT_ONCE:
            self._start(self._waiting.pop(0), now)

    def finish(self, seconds: float = 5.0) -> None:
        """Tell the rest; wait so long for it."""
        deadline = time.monotonic() + seconds
        self.look()
        while (self._waiting or self._running) and time.monotonic() < deadline:
            time.sleep(0.02)
            self.look()
        if self._waiting:
            self._fails(f"there was no time to tell of {len(self._waiting)} findings")

    def _start(self, finding: Finding, now: float) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        # By a file: nobody has to be there to write it.
        with tempfile.TemporaryFile() as text:
            text.write(json.dumps({"schema": SCHEMA, **finding.to_json()}).encode())
            text.seek(0)
            try:
                process = subprocess.Popen(
                    [*self._tell.command, *self._tell.people],
                    stdin=text,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    start_new_session=True,
                )
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self._fails(f"{self._tell.command[0]} cannot be started: {error}")
                return
        self._running.append((process, now))

    def _fails(self, why: str) -> None:
        if not self._failed:
            self._failed = True
            with contextlib.suppress(Exception):
                self._gap("tell", f"people were not told: {why}"[:300])
