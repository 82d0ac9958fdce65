from __future__ import annotations

import itertools
import signal
import sys
import time
from pathlib import Path

import pytest

from desk import Desk
from veristep.replay.plan.intervals import make_plan

# Runs in the training process, behind the recorder: makes a method of it fail.
SABOTAGE = """\
import importlib.util, sys
def spoil(recorder, name, steps):
    original = getattr(recorder, name)
    def method(self, step, *args, **kwargs):
        if step.number in steps:
            raise RuntimeError("injected")
        return original(self, step, *args, **kwargs)
    setattr(recorder, name, method)
def spoil_all(module):
    for name, steps in {methods}.items():
        spoil(module.Recorder, name, steps)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "veristep.record.recorder_torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), spoil_all(module))
        return spec
sys.meta_path.insert(0, Finder())
"""


def test_an_error_of_ours_costs_a_step_of_the_record_and_nothing_else(desk: Desk) -> None:
    broken = {"boundary": [5], "inputs": [25], "before_update": [27], "after_update": [30]}
    bare = desk.bare([sys.executable, "train.py", "60"])
    done = desk.run([sys.executable, "train.py", "60"], env=_broken(desk, broken))
    assert (done.returncode, done.stdout) == (0, bare.stdout)
    assert done.stderr.count(b"\n") == 1
    assert b"veristep: a step could not be recorded" in done.stderr
    run = desk.recorded()
    assert sorted(set(range(60)) - set(run.streams["0"].steps)) == [5, 25, 27, 30]
    assert [gap for gap in run.gaps if "injected" in gap]
    # An error of ours must not accuse the training.
    assert make_plan(run).not_covered == {"records are missing": 40}
    audit = [sys.executable, "-m", "veristep.cli.main", "audit", "--steps", "40:41"]
    assert desk.bare(audit).returncode == 0


def test_after_some_errors_recording_stops_and_says_from_where(desk: Desk) -> None:
    env = _broken(desk, {"before_update": list(range(10, 99))})
    done = desk.run([sys.executable, "train.py", "60"], env=env)
    assert done.returncode == 0
    assert done.stdout.endswith(b"\ntrained\n")
    assert done.stderr.count(b"\n") == 1
    run = desk.recorded()
    assert sorted(run.streams["0"].steps) == list(range(10))
    stopped = [line for line in run.of_type("gap") if line["what"] == "stopped"]
    assert [line["step"] for line in stopped] == [14]


@pytest.mark.parametrize("ending", ["kill", "exit"])
def test_steps_taken_and_never_told_are_counted(desk: Desk, ending: str) -> None:
    how = {"kill": "os.kill(os.getpid(), 9)", "exit": "os._exit(5)"}[ending]
    train = (desk.work / "train.py").read_text().replace('print("trained", flush=True)', how)
    desk.write("train.py", train)
    done = desk.run([sys.executable, "train.py", "200"])
    assert done.returncode == (-signal.SIGKILL if ending == "kill" else 5)
    run = desk.recorded()
    assert run.closed is not None
    missing = 200 - run.steps
    assert missing > 0
    assert f"steps (rank 0): {missing} steps were taken and never told" in run.gaps


def test_a_frozen_supervisor_neither_stalls_the_training_nor_loses_a_line(desk: Desk) -> None:
    script = "import time\n" + (desk.work / "train.py").read_text().replace(
        'print(step, f"', 'print(step, time.monotonic(), f"'
    )
    desk.write("train.py", script)
    process = desk.start([sys.executable, "train.py", "1000000", "0.001"])
    desk.wait_for(lambda: "\n100 " in desk.out())
    process.send_signal(signal.SIGSTOP)
    time.sleep(10.0)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    desk.write("stop", "")
    assert process.wait(15) == 0
    times = [float(line.split()[1]) for line in desk.out().splitlines()[:-1]]
    pauses = sorted(b - a for a, b in itertools.pairwise(times))
    assert pauses[-1] < 1.0
    run = desk.recorded()
    assert sorted(run.streams["0"].steps) == list(range(len(times)))
    assert run.gaps == []
    assert run.of_type("spooled"), "the supervisor was frozen for too short a time"
    assert not desk.fsck().problems


def test_two_runs_at_once_both_land(desk: Desk) -> None:
    first = desk.start([sys.executable, "train.py", "100", "0.01"])
    second = desk.start([sys.executable, "train.py", "100", "0.01"])
    assert (first.wait(30), second.wait(30)) == (0, 0)
    for place in (0, 1):
        run = desk.recorded(place)
        assert (run.steps, run.gaps) == (100, [])
        assert run.closed is not None
    assert not desk.fsck().problems


def _broken(desk: Desk, methods: dict[str, list[int]]) -> dict[str, str]:
    folder = desk.folder / "site"
    folder.mkdir()
    text = SABOTAGE.format(methods=methods)
    Path(folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
