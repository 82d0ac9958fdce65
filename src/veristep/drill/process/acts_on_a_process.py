"""Attacks on a process that is running: each by a process of its own, as an insider's would be."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from veristep.drill.process import Target

_TRACER = """
import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
SEIZE = 0x4206
if libc.ptrace(SEIZE, int(sys.argv[1]), 0, 0):
    sys.exit("not traced: %d" % ctypes.get_errno())
print("traced", flush=True)
time.sleep(60)
"""
_SENDER = "import os, sys, time; os.kill(int(sys.argv[1]), int(sys.argv[2])); time.sleep(2)\n"
_WRITER = """
import ctypes, sys, time
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
pid, address = int(sys.argv[1]), int(sys.argv[2])
data = ctypes.create_string_buffer(b"written")
here, there = Piece(ctypes.addressof(data), 7), Piece(address, 7)
libc = ctypes.CDLL(None, use_errno=True)
done = libc.process_vm_writev(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
print(done, flush=True)
time.sleep(2)
"""
_FILE_WRITER = """
import sys, time
with open("/proc/%s/mem" % sys.argv[1], "r+b", buffering=0) as memory:
    memory.seek(int(sys.argv[2]))
    print(memory.write(b"written"), flush=True)
time.sleep(2)
"""
CALLS_OUT = """
import socket, subprocess, shutil
shutil.copy("/bin/sleep", "stranger")
child = subprocess.Popen(["./stranger", "60"])
call = socket.create_connection(("127.0.0.1", {port}))
import atexit; atexit.register(child.kill)
"""
_DOORS = """\
import socket
import subprocess
kept = []


def act(port):
    door = socket.socket()
    door.bind(("0.0.0.0", 0))
    door.listen()
    kept.append(door)
    kept.append(socket.create_connection(("127.0.0.1", port)))
    subprocess.run(["true"])
"""


def _script(target: Target, name: str, text: str, *words: object) -> subprocess.Popen[bytes]:
    path = target.folder / name
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-S", str(path), *(str(word) for word in words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def stop(target: Target) -> int:
    """Stop the process, from a process of another session; return who did."""
    return _send(target, signal.SIGSTOP)


def go_on(target: Target) -> None:
    """Have it go on."""
    os.kill(target.pid, signal.SIGCONT)


def go_on_if_there(folder: Path) -> None:
    """Have the process of a folder go on, if there still is one."""
    with suppress(OSError, ValueError):
        go_on(Target.of(folder))


def trace(target: Target) -> subprocess.Popen[bytes]:
    """Attach to it as a debugger, without stopping it; return the tracer, which has to be killed."""
    tracer = _script(target, "tracer.py", _TRACER, target.pid)
    assert tracer.stdout is not None
    if tracer.stdout.readline() != b"traced\n":
        raise OSError("the kernel does not let a process trace another")
    return tracer


def let_go(tracer: subprocess.Popen[bytes]) -> None:
    """End a tracer."""
    tracer.kill()
    tracer.communicate()


def kill_from_another_session(target: Target) -> int:
    """Kill it, from a process of another session; return the killer."""
    return _send(target, signal.SIGKILL)


def ask_to_end(target: Target) -> int:
    """Send it SIGTERM from a process of another session; return the sender."""
    return _send(target, signal.SIGTERM)


def _send(target: Target, number: signal.Signals) -> int:
    sender = _script(target, "sender.py", _SENDER, target.pid, int(number))
    sender.communicate()
    return sender.pid


def write_memory(target: Target, address: int) -> int:
    """Write seven bytes at an address by process_vm_writev; return the writer."""
    writer = _script(target, "writer.py", _WRITER, target.pid, address)
    writer.communicate()
    return writer.pid


def write_memory_file(target: Target, address: int) -> int:
    """Write seven bytes at an address through /proc/PID/mem; return the writer."""
    writer = _script(target, "writer.py", _FILE_WRITER, target.pid, address)
    writer.communicate()
    return writer.pid


def add_key(home: Path) -> Path:
    """Add a key to those that may log in to a home; return the file."""
    keys = home / ".ssh/authorized_keys"
    keys.parent.mkdir(exist_ok=True)
    with keys.open("a", encoding="utf-8") as file:
        file.write("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIrehearsal rehearsal\n")
    return keys


def add_unit(home: Path) -> Path:
    """Add a unit to those of a user; return the file."""
    unit = home / ".config/systemd/user/rehearsal.service"
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    return unit


def opens_doors(folder: Path) -> Path:
    """Leave a module whose `act` listens, calls a port out and starts a program; return its file."""
    path = folder / "lib/helper.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_DOORS, encoding="utf-8")
    return path


@contextmanager
def listening() -> Iterator[int]:
    """Listen on a port of the loopback device, as the other end of a call."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        yield door.getsockname()[1]
