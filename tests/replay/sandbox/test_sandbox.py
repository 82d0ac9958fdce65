"""What a process in each sandbox can and cannot reach, tried by a process in it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from veristep.errors import UnavailableError
from veristep.replay.sandbox import bubblewrap, choose, kernel
from veristep.replay.sandbox.choose import Kind, Sandbox
from veristep.replay.sandbox.view import OWN_ID, Identity, Launch, Mount, View

PROBE = """
import json, os, socket, sys
shown, hidden, room = sys.argv[1:]
def outcome(act):
    try:
        return act() or "done"
    except OSError as error:
        return type(error).__name__
def dial():
    with socket.socket() as peer:
        peer.settimeout(2)
        peer.connect(("192.0.2.1", 9))
def loop():
    with socket.create_server(("127.0.0.1", 0)) as server, \\
            socket.create_connection(server.getsockname()):
        return "done"
print(json.dumps({
    "shown": outcome(lambda: open(shown).read()),
    "hidden": outcome(lambda: open(hidden).read()),
    "write shown": outcome(lambda: open(shown, "a").close()),
    "write room": outcome(lambda: open(room + "/made", "w").close()),
    "dial": outcome(dial),
    "loop": outcome(loop),
    "uid": os.getuid(),
    "host": socket.gethostname(),
    "auditor": outcome(lambda: os.kill(int(os.environ["AUDITOR"]), 0)),
    "home": outcome(lambda: ",".join(sorted(os.listdir(os.environ["AUDITOR_HOME"])))),
}))
"""


def sandboxes() -> list[Sandbox]:
    found = [choose.choose(allow_unsandboxed=True)]
    if kernel.usable() and found[0].kind is Kind.BUBBLEWRAP:
        own = kernel.own_network()
        found.append(Sandbox(Kind.KERNEL, False, False, own, "", ""))
    return [each for each in found if each.kind is not Kind.WRITES]


def launch(folder: Path, sandbox: Sandbox, *command: str, more: tuple[Mount, ...] = ()) -> Launch:
    (folder / "room").mkdir(exist_ok=True)
    room = str(folder / "room")
    base = str(Path(os.path.realpath(sys.executable)).parent.parent)
    view = View((Mount(room, room, writable=True), Mount(base, base), *more))
    environment = {"PATH": "/usr/bin:/bin", "AUDITOR": str(os.getpid()), "AUDITOR_HOME": str(Path.home())}
    return Launch(command, room, environment, view, Identity(host="elsewhere"), room)


@pytest.mark.parametrize("sandbox", sandboxes(), ids=lambda each: each.kind.value)
def test_a_replay_sees_what_it_needs_and_reaches_nothing_else(tmp_path: Path, sandbox: Sandbox) -> None:
    shown, hidden = tmp_path / "shown.txt", tmp_path / "hidden.txt"
    shown.write_text("data", encoding="utf-8")
    hidden.write_text("secret", encoding="utf-8")
    python = os.path.realpath(sys.executable)
    words = (python, "-I", "-S", "-c", PROBE, str(shown), str(hidden), str(tmp_path / "room"))
    given = launch(tmp_path, sandbox, *words, more=(Mount(str(shown), str(shown)),))
    with (tmp_path / "out").open("wb") as output:
        assert sandbox.start(given, output).wait(60) == 0, (tmp_path / "out").read_text()
    said: dict[str, Any] = json.loads((tmp_path / "out").read_text(encoding="utf-8"))
    assert said["shown"] == "data"
    assert said["hidden"] in ("FileNotFoundError", "PermissionError")
    assert said["write shown"] in ("OSError", "PermissionError")
    assert shown.read_text(encoding="utf-8") == "data"
    assert said["write room"] == "done"
    assert said["dial"] not in ("done", "TimeoutError")
    assert said["loop"] == ("done" if sandbox.own_network else "PermissionError")
    assert said["auditor"] != "done" or not sandbox.own_root
    if sandbox.own_root:
        assert said["host"] == "elsewhere"
        assert said["uid"] == (OWN_ID if sandbox.own_uid else os.getuid())
        assert said["home"] in ("FileNotFoundError", ".pyenv")
    else:
        assert said["home"] == "PermissionError"


# At once, a sandbox is still being made; after that, it runs.
@pytest.mark.parametrize("later", [0.0, 0.005, 0.02, 0.5])
@pytest.mark.skipif(bubblewrap.usable() is None, reason="bubblewrap does not work here")
def test_a_replay_ends_when_its_auditor_is_killed(tmp_path: Path, later: float) -> None:
    # Nobody else sleeps so long: the name that its processes are known by.
    name = f"{os.getpid()}{secrets.randbelow(10**6)}.5"
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_sandbox import launch
from veristep.replay.sandbox import choose
folder = Path({str(tmp_path)!r})
sandbox = choose.choose()
with (folder / "out").open("wb") as output:
    process = sandbox.start(launch(folder, sandbox, "sleep", {name!r}), output)
print(process.pid, flush=True)
process.wait()
"""
    auditor = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert auditor.stdout is not None
    pid = int(auditor.stdout.readline())
    time.sleep(later)
    auditor.send_signal(signal.SIGKILL)
    auditor.wait()
    auditor.stdout.close()
    deadline = time.monotonic() + 10
    while (left := _running(pid, name)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def _running(pid: int, word: str) -> list[int]:
    """Return a process, unless it has ended, and all that have a word in their command line."""
    found = [pid] if _state(pid) != "Z" else []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_without_a_sandbox_an_audit_is_refused_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "usable", lambda: None)
    monkeypatch.setattr(kernel, "usable", lambda: False)
    with pytest.raises(UnavailableError, match="no sandbox that works") as refused:
        choose.choose()
    assert "--allow-unsandboxed" in refused.value.hint
    assert choose.choose(allow_unsandboxed=True).kind is Kind.WRITES
