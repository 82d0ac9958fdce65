"""What locking and checking data costs, beside reading and hashing alone: python bench/data.py [--gib 1].

Every row is measured in one process, one after the other, `--rounds` times in turn; the table gives the
middle one. On a busy machine compare the processor seconds. Cold means that the kernel was asked to drop
the files' pages beforehand, which takes no rights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blake3 import blake3

from veristep.ledger.log import Ledger
from veristep.supervise.data import store
from veristep.supervise.data.check import CheckOptions, How, check
from veristep.supervise.data.lock import LockOptions, lock
from veristep.supervise.data.source import LocalSource

BLOCK = 1 << 20
LARGE = 64 << 20


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=1.0, help="size of the large files together")
    parser.add_argument("--small", type=int, default=20_000, help="how many small files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where to put the data [default: the system's temporary folder]")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        os.environ["XDG_STATE_HOME"] = f"{place}/state"
        large, small = Path(place, "large"), Path(place, "small")
        make(large, int(given.gib * (1 << 30)) // LARGE, LARGE)
        make(small, given.small, 20_000)
        time.sleep(1.1)  # files that have just changed are read again whatever their times say
        print("| what | seconds | MB/s | processor seconds |\n|---|---|---|---|")
        measure("large files", large, given.rounds)
        measure(f"{given.small:,} files of 20 kB", small, given.rounds)


def make(folder: Path, count: int, size: int) -> None:
    """Write files of random bytes."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.bin").write_bytes(os.urandom(size))
    os.sync()


def measure(name: str, folder: Path, rounds: int) -> None:
    """Measure all rows of one data set."""
    files = sorted(folder.iterdir())
    size = sum(path.stat().st_size for path in files)
    jobs = len(os.sched_getaffinity(0))
    ledgers = iter(range(1000))
    made: list[Ledger] = []

    def fresh() -> None:
        made.append(Ledger.init(folder.parent / f"{folder.name}-ledger-{next(ledgers)}"))

    def fresh_and_cold() -> None:
        fresh()
        drop(files)

    def locked() -> None:
        lock(made[-1], LocalSource(folder), LockOptions())

    kept = Ledger.init(folder.parent / f"{folder.name}-ledger")
    lock(kept, LocalSource(folder), LockOptions())

    def again() -> None:
        lock(kept, LocalSource(folder), LockOptions())

    def checked(how: How, sample: int = 0) -> None:
        check(
            store.load(kept, store.find(kept, str(folder))), LocalSource(folder), CheckOptions(how, sample)
        )

    rows: list[tuple[str, Callable[[], None], Callable[[], None]]] = [
        ("read alone, cold", lambda: drop(files), lambda: read_all(files, jobs)),
        ("`data lock`, cold", fresh_and_cold, locked),
        ("`data check`, cold", lambda: drop(files), lambda: checked(How.FULL)),
        ("read alone, cached", nothing, lambda: read_all(files, jobs)),
        ("BLAKE3 alone, in memory", nothing, lambda: hash_alone(size, jobs)),
        ("`data lock`, cached", fresh, locked),
        ("`data lock` again, untouched", nothing, again),
        ("`data check --quick`", nothing, lambda: checked(How.QUICK)),
        ("`data check --sample 1%`", nothing, lambda: checked(How.SAMPLE, max(1, len(files) // 100))),
    ]
    times: dict[str, list[tuple[float, float]]] = {what: [] for what, _, _ in rows}
    for _ in range(rounds):
        for what, prepare, run in rows:
            prepare()
            began, worked = time.perf_counter(), time.process_time()
            run()
            times[what].append((time.perf_counter() - began, time.process_time() - worked))
    for what, taken in times.items():
        middle, worked = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"| {name}: {what} | {middle:.2f} | {size / middle / 1e6:,.0f} | {worked:.3f} |")
        sys.stdout.flush()
    for ledger in [kept, *made]:
        ledger.close()


def nothing() -> None:
    """Leave the files in the cache."""


def drop(files: Sequence[Path]) -> None:
    """Ask the kernel to forget the files' pages."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def read_all(files: Sequence[Path], jobs: int) -> None:
    """Read everything and do nothing with it."""

    def read(path: Path) -> None:
        buffer = memoryview(bytearray(BLOCK))
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(read, files, chunksize=64))


def hash_alone(size: int, jobs: int) -> None:
    """Hash as many bytes as the data has, chunk by chunk."""

    def work(count: int) -> None:
        block = bytes(BLOCK)
        for _ in range(count):
            blake3(block).digest()

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, [size // BLOCK // jobs] * jobs))


if __name__ == "__main__":
    main()
