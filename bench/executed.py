"""What noting executed code adds to `import torch`: pairs of fresh processes, with and without.

python bench/executed.py [--pairs 15] [--module torch]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from veristep.guard.env.executed import NOTES

CODE = """
import sys, time
sys.path.insert(0, {source!r})
from veristep.guard.env.executed import start
if {boot!r}:
    start({boot!r})
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""
SOURCE = str(Path(__file__).parent.parent / "src")


def seconds(module: str, boot: str) -> float:
    """Return how long an import takes in a fresh process."""
    code = CODE.format(source=SOURCE, boot=boot, module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Print the ratio of paired imports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--module", default="torch")
    chosen = parser.parse_args()
    seconds(chosen.module, "")
    bare, added, count = [], [], 0
    for _ in range(chosen.pairs):
        with tempfile.TemporaryDirectory() as boot:
            (Path(boot) / NOTES).touch()
            without, noted = seconds(chosen.module, ""), seconds(chosen.module, boot)
            count = (Path(boot) / NOTES).read_bytes().count(b"\n") - 1
        bare.append(without)
        added.append(noted - without)
        time.sleep(0.05)
    middle, extra = statistics.median(bare), statistics.median(added)
    low, high = statistics.quantiles(added, n=4)[::2]
    print(
        f"import {chosen.module}: {middle:.2f} s, {count} modules; noting adds {extra * 1000:.0f} ms"
        f" ({low * 1000:.0f} to {high * 1000:.0f}), {100 * extra / middle:+.1f} %"
    )


if __name__ == "__main__":
    main()
