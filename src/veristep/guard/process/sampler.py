"""Looks, at moments nobody foresees, at what the thread that trains is doing, and notes what it waits for.

A sample costs some tens of microseconds and is taken about ten times a second; while a step takes far
longer than usual they come faster. What a wait is, is judged by the supervisor, which reads the notes: a
file in the run's boot directory, a line of JSON each (`docs/formats/waits.md`).
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import sysconfig
import threading
import time
from collections import deque
from pathlib import Path

from veristep.guard.process.sample import RUNNING, Thread
from veristep.record.shared import BEAT_PREFIX, Pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Stack = tuple[tuple[str, int, str], ...]
    Key = tuple[str, str, Stack]

NOTES = "waits"
TICK_PREFIX = "watch-"
# Seconds between samples, on average: at first, and later on; during a stall, and during a long one.
SOON, LATER, STALLED, LONG = 0.04, 0.1, 0.02, 0.1
SOON_SECONDS, LONG_SECONDS = 20.0, 3.0
MOST_PAUSE = 0.5
# A step is stalled when it takes this many times the usual one, and this long at least; where nothing is
# usual yet, longer.
TIMES, AT_LEAST, AT_LEAST_AT_FIRST = 20.0, 0.5, 2.0
ENOUGH_STEPS = 5
# A thread that executes Python waits for the interpreter's lock while another looks at it: what it does is
# told from whether it runs when left alone for as long as this.
_ALONE = 0.0015
# From this on a thread of ours that got no turn is a sign that the lock was held.
_LATE = 0.25
_SWITCH = 0.02
# The interpreter's lock was kept while nothing was done.
HELD = "lock held"
MOST_KEYS, KEPT_FRAMES = 200, 14
_SAY_SECONDS = 2.0


class History:
    """How long the steps of this process usually take, in seconds."""

    def __init__(self) -> None:
        self._last = (0, 0)
        self._each: deque[float] = deque(maxlen=64)

    def see(self, steps: int, when_ns: int) -> None:
        """Take in what the heartbeat shows."""
        before, at = self._last
        if before and steps > before:
            self._each.append((when_ns - at) / 1e9 / (steps - before))
        if steps != before:
            self._last = (steps, when_ns)

    def usual(self) -> float:
        """Return the median; 0 while there are too few."""
        return statistics.median(self._each) if len(self._each) >= ENOUGH_STEPS else 0.0

    def limit(self) -> float:
        """Return from when on a step is stalled."""
        usual = self.usual()
        return max(TIMES * usual, AT_LEAST) if usual else AT_LEAST_AT_FIRST


class Waits:
    """What was waited for, by call and stack, with in how many samples and steps it was seen."""

    def __init__(self) -> None:
        self.samples = 0
        self.counts: dict[Key, list[int]] = {}

    def add(self, key: Key | None, step: int, weight: int = 1) -> int:
        """Count a sample; return how often this was seen, if it is time to tell.

        A look that was kept from happening weighs as much as those that would have been taken meanwhile.
        """
        self.samples += weight
        if key is None:
            return 0
        entry = self.counts.get(key)
        if entry is None:
            if len(self.counts) >= MOST_KEYS:
                return 0
            entry = self.counts[key] = [0, 0, -1, 4]
        entry[0] += weight
        if entry[2] != step:
            entry[1], entry[2] = entry[1] + 1, step
        # At 4, 8, 16 ...: often enough to be told soon, and never many lines.
        if entry[0] < entry[3]:
            return 0
        entry[3] = 2 * entry[0]
        return entry[0]


class Sampler:
    """Samples one thread of this process."""

    def __init__(self, boot: str, stream: str, thread: Thread) -> None:
        self._boot, self._stream, self._thread = boot, stream, thread
        self._beat = Pair(Path(boot) / f"{BEAT_PREFIX}{stream}")
        self._tick = Pair(Path(boot) / f"{TICK_PREFIX}{stream}")
        self._random = random.Random(os.urandom(16))  # noqa: S311 - seeded by the system
        self._file = os.open(
            f"{boot}/{NOTES}", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._history = History()
        self._waits = Waits()
        self._stall: Waits | None = None
        self._began = time.monotonic()
        self._stall_step, self._stalled, self._said = 0, 0.0, 0.0
        self._stall_times = (0, 0)
        self._times = thread.times()
        self._switches = 0
        self._pid = os.getpid()
        self.errors = 0

    def begin(self) -> None:
        """Say that this process is watched."""
        paths = sysconfig.get_paths()
        self._say(
            kind="begins",
            native=self._thread.native,
            told=self._thread.told,
            standard=sorted({os.path.realpath(paths["stdlib"]), os.path.realpath(paths["platstdlib"])}),
        )

    def run(self) -> None:
        """Sample until the process ends."""
        while self.errors < 5:
            pause = min(self._random.expovariate(1.0) * self._mean(), MOST_PAUSE)
            asked = time.monotonic()
            time.sleep(pause)
            try:
                self._once(time.monotonic() - asked - pause)
            except Exception as error:  # noqa: BLE001 - boundary: a process that is being torn down
                self.errors += 1
                self._failed(error)

    def _mean(self) -> float:
        if self._stall is not None:
            return STALLED if time.monotonic() - self._stalled < LONG_SECONDS else LONG
        return SOON if time.monotonic() - self._began < SOON_SECONDS else LATER

    def _last_step(self, when_ns: int) -> float:
        return when_ns / 1e9 if when_ns else self._began

    def _once(self, late: float) -> None:
        steps, when_ns = self._beat.get()
        self._history.see(steps, when_ns)
        key = self._look(late)
        now = time.monotonic()
        weight = max(1, int(late / STALLED)) if key and key[0] == HELD else 1
        count = self._waits.add(key, steps, weight)
        self._tick.set(self._waits.samples, time.monotonic_ns())
        if count and key is not None:
            self._say_wait(key, now)
        age = now - self._last_step(when_ns)
        if self._stall is not None and steps != self._stall_step:
            self._say_stall(now - self._stalled, over=True)
            self._stall = None
        if self._stall is None and age >= self._history.limit():
            self._stall, self._stall_step, self._stalled = Waits(), steps, now - age
            self._stall_times, self._said = self._thread.times(), now
        if self._stall is not None:
            self._stall.add(key, steps, weight)
            if now - self._said >= _SAY_SECONDS:
                self._said = now
                self._say_stall(age, over=False)

    def _look(self, late: float) -> Key | None:
        """Return what the thread waits for; None while it runs, or waits for a processor."""
        thread = self._thread
        switches, times = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw, thread.times()
        held = late >= _LATE and self._was_held(late, switches, times)
        self._switches, self._times = switches, times
        frames = thread.frames()
        if held:
            return HELD, "", tuple(frames[:KEPT_FRAMES])
        call = thread.call()
        if call.name == RUNNING:
            return None
        if not call.sleeps:
            time.sleep(_ALONE)
            again = thread.call()
            if again != call or thread.times()[0] != times[0]:
                return None
        # It may have gone on while we waited for the interpreter's lock.
        if thread.frames()[:1] != frames[:1]:
            return None
        return call.name, "sleeps" if call.sleeps else "", tuple(frames[:KEPT_FRAMES])

    def _was_held(self, late: float, switches: int, times: tuple[int, int]) -> bool:
        """Whether the thread did nothing and kept the interpreter's lock meanwhile.

        We ask for the lock every few milliseconds, which the kernel counts; a process that was stopped as a
        whole asks for nothing.
        """
        ran, waited = times[0] - self._times[0], times[1] - self._times[1]
        return switches - self._switches >= late / _SWITCH and ran + waited < late * 0.5e9

    def _say_stall(self, age: float, *, over: bool) -> None:
        stall = self._stall
        if stall is None:
            return
        ran, waited = self._thread.times()
        top = sorted(stall.counts.items(), key=lambda each: -each[1][0])[:5]
        self._say(
            kind="stall",
            step=self._stall_step,
            seconds=round(age, 3),
            usual=self._history.usual(),
            over=over,
            samples=stall.samples,
            ran=(ran - self._stall_times[0]) / 1e9,
            starved=(waited - self._stall_times[1]) / 1e9,
            waits=[_told(key, counts) for key, counts in top],
            doing=self._thread.frames()[:KEPT_FRAMES],
        )

    def _say_wait(self, key: Key, now: float) -> None:
        self._say(
            kind="wait",
            seconds=round(now - self._began, 3),
            samples=self._waits.samples,
            step=self._beat.get()[0],
            usual=self._history.usual(),
            **_told(key, self._waits.counts[key]),
        )

    def finish(self) -> None:
        """Tell what is not told yet, at the end of the process."""
        if os.getpid() != self._pid:
            return
        try:
            now = time.monotonic()
            for key, counts in self._waits.counts.items():
                if counts[0] >= 3:
                    self._say_wait(key, now)
            self._say(kind="ends", samples=self._waits.samples, seconds=round(now - self._began, 3))
        except Exception as error:  # noqa: BLE001 - boundary
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        try:
            self._say(kind="failed", reason=repr(error)[:300])
        except Exception:  # noqa: BLE001 - boundary
            self.errors += 1

    def _say(self, **body: Any) -> None:
        line = {"by": self._pid, "stream": self._stream, "at": time.time_ns(), **body}
        os.write(self._file, json.dumps(line).encode("utf-8", "replace") + b"\n")


def _told(key: Key, counts: list[int]) -> dict[str, Any]:
    name, sleeps, stack = key
    return {"call": name, "sleeps": bool(sleeps), "count": counts[0], "steps": counts[1], "stack": stack}


def start(boot: str, stream: str, _settings: Mapping[str, Any]) -> Sampler:
    """Watch the calling thread, from a thread of its own."""
    import atexit

    sampler = Sampler(boot, stream, Thread(threading.get_ident(), threading.get_native_id()))
    sampler.begin()
    atexit.register(sampler.finish)
    threading.Thread(target=sampler.run, name="veristep-waits", daemon=True).start()
    return sampler
