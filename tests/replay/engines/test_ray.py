"""A real Ray cluster on this machine: the local verdict, with a worker killed, and with nothing to see."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab import Lab
from veristep.replay import processes

pytestmark = pytest.mark.engines
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'veristep[ray]'"
)


def worker_of(process: subprocess.Popen[str]) -> int:
    """Return the Ray worker that judges right now."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for pid in processes.tree(process.pid):
            with suppress(OSError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::judge_task"):
                    return pid
        time.sleep(0.05)
    raise AssertionError("no Ray worker judged anything")


@needs_ray
@pytest.mark.long
def test_a_worker_killed_mid_audit_is_replaced_and_the_verdict_is_the_local_one(recorded: Lab) -> None:
    expected = recorded.veristep("audit", "last", "--all", "--json", "--engine", "inline").out
    with recorded.started(
        "audit", "last", "--all", "--json", "--engine", "ray", "--workers", "2"
    ) as running:
        os.kill(worker_of(running), signal.SIGKILL)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert out == expected


@pytest.mark.long
@needs_ray
@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="hiding the ledger needs root and unshare"
)
def test_a_worker_that_does_not_see_the_ledger_gets_its_evidence_through_the_store(recorded: Lab) -> None:
    words = ("audit", "last", "--steps", "10:20", "--json", "--engine")
    expected = recorded.veristep(*words, "inline").out
    with blind_cluster(recorded) as variables:
        done = recorded.veristep(*words, "ray", extra=variables)
    assert done.status == 0, done.err
    assert done.out == expected


@contextmanager
def blind_cluster(lab: Lab) -> Iterator[dict[str, str]]:
    """Run a cluster that sees an empty folder where the ledger is; give the variables that lead to it."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    ray += ["--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats"]
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    hide = f'mount -t tmpfs none "{lab.ledger}" && exec "$@"'
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", hide, "sh", *ray],
        env=lab.environment | token,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield {"RAY_ADDRESS": f"127.0.0.1:{port}", **token}
    finally:
        processes.end_tree(process.pid)
        process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise TimeoutError("the test's Ray did not come up")


def test_without_ray_the_audit_says_what_to_install(recorded: Lab, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('not here')", encoding="utf-8")
    done = recorded.veristep("audit", "last", "--engine", "ray", extra={"PYTHONPATH": str(tmp_path)})
    assert done.status == 3
    assert "error[unavailable]: Ray is not installed here" in done.err
    assert "pip install 'veristep[ray]'" in done.err
