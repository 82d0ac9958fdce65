"""A real Slurm cluster of one node: the local verdict, also when a job is cancelled."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import slurm_cluster
from lab import Lab

pytestmark = pytest.mark.engines
needs_slurm = pytest.mark.skipif(bool(slurm_cluster.why_not()), reason=slurm_cluster.why_not() or "-")


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    with slurm_cluster.cluster(tmp_path) as environment:
        yield environment


def running_jobs(environment: dict[str, str]) -> list[str]:
    done = subprocess.run(
        ["squeue", "--noheader", "--states=RUNNING", "--format=%i"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@needs_slurm
def test_a_cancelled_job_is_submitted_again_and_the_verdict_is_the_local_one(
    recorded: Lab, slurm: dict[str, str]
) -> None:
    expected = recorded.veristep("audit", "last", "--all", "--json", "--engine", "inline").out
    words = ("audit", "last", "--all", "--json", "--engine", "slurm", "--workers", "2")
    with recorded.started(*words, extra=slurm) as running:
        jobs: list[str] = []
        while not jobs and running.poll() is None:
            jobs = running_jobs(slurm)
            time.sleep(0.1)
        subprocess.run(["scancel", jobs[0]], env=os.environ | slurm, check=True)
        out, err = running.communicate(timeout=150)
    assert running.returncode == 0, err
    assert out == expected
    left = [path.name for path in recorded.ledger.glob("runs/*/slurm-*")]
    assert left == []


def test_without_slurm_the_audit_says_so_and_what_to_do(recorded: Lab, tmp_path: Path) -> None:
    done = recorded.veristep("audit", "last", "--engine", "slurm", extra={"PATH": str(tmp_path)})
    assert done.status == 3
    assert "error[unavailable]: Slurm is not here: sbatch" in done.err
    assert "--engine local" in done.err
