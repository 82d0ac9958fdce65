"""A Slurm cluster of one node, this machine, for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
_CONFIG = """
ClusterName=veristep-test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Return why there can be no cluster here; empty when there can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not found: apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "a cluster of one's own needs root"


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run a cluster with its files in `folder`; give the variables that lead to it."""
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    config = folder / "slurm.conf"
    config.write_text(
        _CONFIG.format(host=host, folder=folder, ctld=_free_port(), slurmd=_free_port()), encoding="ascii"
    )
    environment = {"SLURM_CONF": str(config)}
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(_munge(folder))
        started.append(_start(["slurmctld", "-D"], environment))
        started.append(_start(["slurmd", "-D"], environment))
        _wait_until_idle(environment)
        yield environment
    finally:
        for each in reversed(started):
            each.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                each.wait(10)
            each.kill()
            each.wait()


def _munge(folder: Path) -> subprocess.Popen[bytes]:
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    (folder / "munge").chmod(0o711)
    place = folder / "munge"
    process = _start(
        [
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={place}/socket",
            f"--pid-file={place}/pid", f"--log-file={place}/log", f"--seed-file={place}/seed",
        ],
        {},
    )  # fmt: skip
    deadline = time.monotonic() + 10
    while not (place / "socket").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


def _start(words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait_until_idle(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 30
    said = ""
    while time.monotonic() < deadline:
        done = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    raise TimeoutError(f"the test's Slurm did not come up: {said}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
