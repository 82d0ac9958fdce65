"""What the gate costs: loads, steps, start-up; with none, in Python and in C: python bench/gate.py.

Fresh processes in turn, so that what the machine does besides falls on all alike. Each takes the best of
its own repetitions, in processor time; the table shows the median over the processes, and of the pairs of
neighbours. No supervisor listens: what a gate tells at its start goes to a file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from veristep.guard.load.gate import SETTINGS_FILE
from veristep.guard.policy import Policy
from veristep.record.config import RecordConfig
from veristep.supervise import boot
from veristep.supervise.checks.load import actions

KINDS = ("none", "python", "native")

PREPARE = """
import pickle, torch
torch.manual_seed(0)
model = torch.nn.Sequential(*(torch.nn.Linear(256, 256) for _ in range(16)))
optimizer = torch.optim.Adam(model.parameters())
model(torch.ones(1, 256)).sum().backward()
optimizer.step()
torch.save(optimizer.state_dict(), "optimizer.pt")
torch.save({"w": torch.empty(MEBIBYTES << 18)}, "large.pt")
open("numbers.pkl", "wb").write(pickle.dumps(list(range(300_000))))
open("names.pkl", "wb").write(b"(" + b"ccollections\\nOrderedDict\\n" * 200_000 + b"t.")
"""
MEASURE = """
import json, pickle, sys, time
import torch
torch.set_num_threads(1)
def best(act, times):
    taken = []
    for _ in range(times):
        began = time.process_time()
        act()
        taken.append(time.process_time() - began)
    return min(taken)
def unpickle(name):
    with open(name, "rb") as file:
        pickle.load(file)
found = {
    "torch.load, LARGE MiB": best(lambda: torch.load("large.pt", weights_only=False), 5),
    "torch.load, mmap": best(lambda: torch.load("large.pt", weights_only=False, mmap=True), 40),
    "torch.load, optimizer of 1 M": best(lambda: torch.load("optimizer.pt", weights_only=False), 40),
    "pickle of 300,000 numbers": best(lambda: unpickle("numbers.pkl"), 15),
    "pickle of 200,000 names (worst case)": best(lambda: unpickle("names.pkl"), 8),
}
model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x, y = torch.randn(32, 64), torch.randint(10, (32,))
def steps():
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
found["200 training steps"] = best(steps, 12)
print(json.dumps(found))
"""


class Room:
    """A folder with a boot directory for each kind of gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for kind in KINDS:
            place = folder / kind
            place.mkdir()
            config = RecordConfig("run", str(place), str(folder), "", boot.package_folder())
            boot.write(config)
            # The recorder is another matter, measured in bench/overhead.py.
            site = place / "sitecustomize.py"
            text = site.read_text(encoding="utf-8")
            site.write_text(text.replace("        start(here)\n", "        pass\n"), encoding="utf-8")
            if kind != "none":
                settings = {"directory": str(folder), "root": str(folder), "actions": actions(Policy())}
                settings["native"] = kind == "native"  # type: ignore[assignment]
                (place / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")

    def run(self, kind: str, code: str) -> tuple[str, float]:
        """Run code under a kind of gate; return what it printed, and its processor time in seconds."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "PYTHONPATH": str(self.folder / kind),
            "PYTHONPYCACHEPREFIX": str(self.folder / "pyc"),
            "OMP_NUM_THREADS": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return out, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--mebibytes", type=int, default=1024)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        room = Room(Path(name))
        room.run("none", PREPARE.replace("MEBIBYTES", str(given.mebibytes)))
        code = MEASURE.replace("LARGE", str(given.mebibytes))
        times: dict[str, dict[str, list[float]]] = {}
        starts: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for turn in range(given.rounds):
            order = KINDS if turn % 2 else KINDS[::-1]
            for kind in order:
                for what, seconds in json.loads(room.run(kind, code)[0]).items():
                    times.setdefault(what, {}).setdefault(kind, []).append(seconds)
            for kind in order * 3:
                starts[kind].append(room.run(kind, "pass")[1])
        times["start of a process (processor time)"] = starts
    print("| what | none | in Python | in C |\n|---|---|---|---|")
    for what, by_kind in times.items():
        none = median(by_kind["none"])
        cells = [f"{none * 1e3:.2f} ms"]
        for kind in KINDS[1:]:
            pairs = [one / other for one, other in zip(by_kind[kind], by_kind["none"], strict=True)]
            cells.append(f"{median(by_kind[kind]) * 1e3:.2f} ms ({median(pairs) - 1:+.1%})")
        print(f"| {what} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
