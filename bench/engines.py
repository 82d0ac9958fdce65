"""Throughput of an audit by number of workers: python bench/engines.py [--steps 80] [--workers 1 2]."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INTERVAL = 10


def veristep(folder: Path, *words: str) -> str:
    """Run the command line with a home and a ledger below `folder`; return what it prints."""
    private = {"HOME": str(folder), "VERISTEP_LEDGER": str(folder / "ledger"), "OMP_NUM_THREADS": "1"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    words = (sys.executable, "-m", "veristep.cli.main", *words)
    done = subprocess.run(
        words, env=environment | private, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main() -> None:
    """Record a run once, audit all of it with each number of workers, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engine", default="local")
    options = parser.parse_args()
    scripts = Path(__file__).parent.parent / "tests" / "scripts"
    with tempfile.TemporaryDirectory(prefix="vsb-") as name:
        folder = Path(name)
        for each in ("functional_loss.py", "digits.npz"):
            (folder / each).write_bytes((scripts / each).read_bytes())
        train = (sys.executable, "functional_loss.py", "--steps", str(options.steps))
        veristep(folder, "run", "--interval", str(INTERVAL), "--", *train)
        veristep(folder, "audit", "last", "--in-place", "--steps", "0:1", "--json")  # fills caches
        print("| workers | intervals | seconds | intervals per minute |\n|---|---|---|---|")
        for workers in options.workers:
            began = time.monotonic()
            words = ("--engine", options.engine, "--workers", str(workers), "--in-place", "--json")
            found = json.loads(veristep(folder, "audit", "last", "--all", *words))
            seconds = time.monotonic() - began
            count = found["coverage"]["intervals_checked"]
            print(f"| {workers} | {count} | {seconds:.1f} | {60 * count / seconds:.1f} |")


if __name__ == "__main__":
    main()
