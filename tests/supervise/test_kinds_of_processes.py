from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from desk import Desk
from veristep.supervise.launcher import DRAIN_SECONDS

TINY = """\
import torch
model = torch.nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def step():
    optimizer.zero_grad()
    model(torch.randn(16, 8)).square().mean().backward()
    optimizer.step()
"""


def test_a_script_without_torch_is_recorded_as_no_steps(desk: Desk) -> None:
    done = desk.run([sys.executable, "-c", "print('hello')"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    run = desk.recorded()
    assert (run.steps, run.gaps, len(run.of_type("hello"))) == (0, [], 1)


def test_a_command_that_is_no_python_is_recorded_as_no_steps(desk: Desk) -> None:
    assert desk.run(["true"]).returncode == 0
    run = desk.recorded()
    assert (run.steps, run.gaps, run.of_type("hello")) == (0, [], [])


def test_several_scripts_of_one_command_are_streams_of_one_run(desk: Desk) -> None:
    shell = f"{sys.executable} train.py 5; {sys.executable} train.py 7"
    assert desk.run(["bash", "-c", shell]).returncode == 0
    run = desk.recorded()
    assert {name: len(stream.steps) for name, stream in run.streams.items()} == {"0": 5, "0.1": 7}
    assert run.gaps == []


def test_python_processes_that_cannot_be_recorded_are_gaps(desk: Desk) -> None:
    sleep = f"{sys.executable} %s -c 'import time; time.sleep(11)' &"
    lines = [sleep % option for option in ("-E", "-I", "-S")]
    lines += ["PYTHONPATH=/nowhere " + sleep % "", sleep % "", "wait"]
    done = desk.run(["bash", "-c", "\n".join(lines)])
    assert (done.returncode, done.stdout) == (0, b"")
    assert [b"warning[PROC011]" in line for line in done.stderr.splitlines()] == [True] * 4
    gaps = [gap for gap in desk.recorded().gaps if "never said hello" in gap]
    assert len(gaps) == len(desk.findings("PROC011")) == 4


def test_a_sitecustomize_of_the_users_own_still_runs(desk: Desk) -> None:
    folder = desk.folder / "own"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import builtins; builtins.mine = __file__\n")
    command = [sys.executable, "-c", "import sitecustomize; print(mine, sitecustomize.__file__)"]
    env = {"PYTHONPATH": str(folder)}
    bare, done = desk.bare(command, env=env), desk.run(command, env=env)
    assert (done.stdout, done.stderr) == (bare.stdout, b"")
    assert str(folder).encode() in done.stdout


def test_a_broken_sitecustomize_of_the_users_own_fails_as_it_always_did(desk: Desk) -> None:
    folder = desk.folder / "own"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("raise RuntimeError('theirs')\n")
    command = [sys.executable, "-c", "print('on')"]
    env = {"PYTHONPATH": str(folder)}
    bare, done = desk.bare(command, env=env), desk.run(command, env=env)
    # Veristep's own process is Python, too, and says it once more.
    assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, bare.stderr * 2)


def test_workers_of_a_loader_are_no_streams_and_hold_nothing_up(desk: Desk) -> None:
    script = TINY + (
        "from torch.utils.data import DataLoader, TensorDataset\n"
        "loader = DataLoader(TensorDataset(torch.randn(64, 8)), batch_size=8, num_workers=2,\n"
        "                    multiprocessing_context='fork', persistent_workers=True)\n"
        "for epoch in range(2):\n    for batch in loader:\n        step()\nprint('done')\n"
    )
    done = desk.run([sys.executable, str(desk.write("load.py", script))])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"done\n", b"")
    run = desk.recorded()
    assert {name: len(stream.steps) for name, stream in run.streams.items()} == {"0": 16}
    assert run.gaps == []


@pytest.mark.parametrize("end", ["sys.exit(0)", "os._exit(0)"])
def test_forked_children_that_end_leave_the_stream_to_their_parent(desk: Desk, end: str) -> None:
    script = TINY + (
        "import os, sys\nfor number in range(4):\n    step()\n    pid = os.fork()\n"
        f"    if pid == 0:\n        {end}\n    assert os.waitpid(pid, 0)[1] == 0\n"
    )
    done = desk.run([sys.executable, str(desk.write("fork.py", script))])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    run = desk.recorded()
    assert {name: len(stream.steps) for name, stream in run.streams.items()} == {"0": 4}
    assert run.gaps == []


def test_a_child_that_outlives_its_parent_does_not_delay_the_end(desk: Desk) -> None:
    script = TINY + (
        "import os, time\nstep()\nif os.fork() == 0:\n    time.sleep(8)\n    os._exit(0)\n"
        "print(time.time_ns(), flush=True)\nos._exit(0)\n"
    )
    process = desk.start([sys.executable, str(desk.write("daemon.py", script))])
    assert process.wait(20) == 0
    exited = desk.recorded().of_type("exit")[0]["time_ns"]
    # Had the child kept the connection open, its last lines would have been waited for.
    assert exited - int(desk.out()) < 0.8 * DRAIN_SECONDS * 1e9


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_that_train_have_streams_of_their_own_and_tell_everything(desk: Desk, method: str) -> None:
    script = (
        "import multiprocessing\n" + TINY + "def work():\n    for _ in range(30):\n        step()\n"
        "if __name__ == '__main__':\n    step()\n"
        f"    context = multiprocessing.get_context('{method}')\n"
        "    children = [context.Process(target=work) for _ in range(2)]\n"
        "    [child.start() for child in children]\n    [child.join() for child in children]\n"
        "    step()\n    print([child.exitcode for child in children])\n"
    )
    done = desk.run([sys.executable, str(desk.write("many.py", script))])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[0, 0]\n", b"")
    run = desk.recorded()
    counts = {name: len(stream.steps) for name, stream in run.streams.items()}
    assert counts == {"0": 2, "0.1": 30, "0.2": 30}
    assert run.gaps == []
    assert not desk.fsck().problems


def test_a_process_that_outlives_its_run_is_recovered_later(desk: Desk) -> None:
    wait = "while ! grep -q '^20 ' trained; do sleep 0.1; done"
    shell = f"{sys.executable} train.py 250 0.02 > trained & {wait}"
    process = desk.start(["bash", "-c", shell])
    assert process.wait(20) == 0
    closed = desk.recorded()
    assert closed.closed is not None
    assert 20 < closed.steps < 250
    log = Path(desk.work / "trained")
    desk.wait_for(lambda: "trained" in log.read_text())
    time.sleep(1.0)
    run = desk.recorded()
    assert sorted(run.streams["0"].steps) == list(range(250))
    assert any("sealed late" in gap for gap in run.gaps)
