from __future__ import annotations

import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from desk import Desk

SHELL = ["bash", "-c"]
COUNTS = """\
import signal, sys, time
seen = []
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: seen.append(number))
print("ready", flush=True)
until = time.monotonic() + 15
while not seen and time.monotonic() < until:
    time.sleep(0.02)
time.sleep(0.5)
print([int(number) for number in seen], flush=True)
"""


def test_output_is_the_commands_own_byte_for_byte(desk: Desk, classifier: Path) -> None:
    command = [sys.executable, str(classifier), "--steps", "12"]
    bare, recorded = desk.bare(command), desk.run(command)
    assert recorded.returncode == bare.returncode == 0
    assert recorded.stdout == bare.stdout
    assert recorded.stderr == bare.stderr == b""
    assert desk.recorded().steps == 12


@pytest.mark.parametrize(("command", "status"), [("exit 0", 0), ("exit 3", 3), ("exit 200", 200)])
def test_the_exit_status_is_the_commands_own(desk: Desk, command: str, status: int) -> None:
    done = desk.run([*SHELL, command])
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


def test_an_exception_ends_the_run_as_it_ends_the_script(desk: Desk) -> None:
    command = [sys.executable, "-c", "print('before'); raise ValueError('mine')"]
    bare, recorded = desk.bare(command), desk.run(command)
    assert recorded.returncode == 1
    assert (recorded.stdout, recorded.stderr) == (bare.stdout, bare.stderr)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT])
def test_a_caller_sees_the_signal_that_killed_the_command(desk: Desk, number: int) -> None:
    done = desk.run([*SHELL, f"kill -{int(number)} $$"])
    assert done.returncode == -number
    # Who sends a SIGKILL is not known without the node agent: it is told, in one line.
    told = done.stderr.splitlines()
    assert [b"PROC005" in line for line in told] == [True] * (number == signal.SIGKILL)
    closed = desk.recorded().closed
    assert closed is not None
    assert closed.body["returncode"] == -number


def test_open_files_are_handed_on(desk: Desk) -> None:
    done = desk.bare([*SHELL, f"exec 7> seven; {' '.join(desk.veristep())} bash -c 'echo x >&7'"])
    assert done.returncode == 0, done.stderr
    assert (desk.work / "seven").read_text() == "x\n"


def test_arguments_that_are_not_text_are_handed_on_and_recorded(desk: Desk) -> None:
    done = desk.run(["printf", "%s", b"\xff\xfe"])
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\xff\xfe", b"")
    assert desk.recorded().opened.body["command"] == ["printf", "%s", "??"]


def test_a_program_that_cannot_be_started_is_a_clear_error(desk: Desk) -> None:
    script = desk.write("noshebang", "echo hello\n")
    script.chmod(0o755)
    done = desk.run([str(script)])
    assert done.returncode == 2
    assert b"cannot be started" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_training_exactly_once(desk: Desk, number: signal.Signals) -> None:
    process = desk.start([sys.executable, "-c", COUNTS])
    desk.wait_for(lambda: "ready" in desk.out())
    process.send_signal(number)
    assert process.wait(20) == 0
    assert desk.out().splitlines() == ["ready", str([int(number)])]
    signals = desk.recorded().of_type("signal")
    assert [line["signal"] for line in signals] == [number]
    assert (signals[0]["sender_pid"], signals[0]["sender_uid"]) == (os.getpid(), os.getuid())


def test_an_interrupted_training_ends_as_it_would_alone(desk: Desk) -> None:
    script = "import time\nprint('ready', flush=True)\ntime.sleep(30)"
    process = desk.start([sys.executable, "-c", script])
    desk.wait_for(lambda: "ready" in desk.out())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    assert desk.err().count("KeyboardInterrupt") == 1
    assert desk.recorded().closed is not None


def test_what_the_command_sends_to_its_own_group_does_not_come_back(desk: Desk) -> None:
    script = (
        "import os, signal, time\nseen = []\nsignal.signal(15, lambda *_: seen.append(15))\n"
        "os.killpg(0, 15)\ntime.sleep(0.6)\nprint(seen)"
    )
    process = desk.bare(["setsid", "--wait", *desk.veristep(), sys.executable, "-c", script])
    assert process.stdout == b"[15]\n", process.stderr


def test_ctrl_c_at_a_terminal_reaches_the_training_exactly_once(desk: Desk) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(desk.work)
        os.execve(
            sys.executable,
            [*desk.veristep(), sys.executable, "-c", COUNTS],
            desk.environment,
        )
    said = _read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    said += _read_until(terminal, b"]")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"[2]" in said
    assert [line["forwarded"] for line in desk.recorded().of_type("signal")] == [False]


def _read_until(terminal: int, mark: bytes) -> bytes:
    said, deadline = b"", time.monotonic() + 20
    while mark not in said and time.monotonic() < deadline:
        try:
            said += os.read(terminal, 1000)
        except OSError:
            break
    assert mark in said, said
    return said
