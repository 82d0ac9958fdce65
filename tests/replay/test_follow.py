"""`veristep audit --follow` beside a training that goes on: what it finds, it tells while there is time."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from lab import Lab, python
from veristep.drill import reversed_update
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger

INTERVAL = 10
WAIT = "    if __import__('sys').stdin.readline() == 'stop\\n': break\n"
PATIENCE_SECONDS = 100.0


@dataclass(frozen=True)
class Beside:
    """A training that takes a step for each line it is given, and the audit that follows it."""

    lab: Lab
    training: subprocess.Popen[str]
    following: subprocess.Popen[str]

    def step(self, count: int) -> None:
        """Let the training take steps, as slow as pays for a replay."""
        assert self.training.stdin is not None
        assert self.training.stdout is not None
        for _ in range(count):
            self.training.stdin.write("\n")
            self.training.stdin.flush()
            assert self.training.stdout.readline().startswith("step ")
            time.sleep(0.35)

    def heard(self, words: str) -> None:
        """Wait until the audit says `words`; the training still goes on then."""
        assert self.following.stderr is not None
        ending = Timer(PATIENCE_SECONDS, self.following.kill)
        ending.start()
        said = []
        for line in self.following.stderr:
            said.append(line)
            if words in line:
                ending.cancel()
                assert self.training.poll() is None
                return
        raise AssertionError(f"the audit ended without {words!r}: {''.join(said)}")

    def entries(self, kind: str) -> list[Entry]:
        """Return what the ledger holds by now."""
        with Ledger.open(self.lab.ledger) as ledger:
            return [entry for entry in ledger.entries() if entry.kind == kind]

    def end(self) -> tuple[int, dict[str, Any]]:
        """Let the training end; return the exit status of the audit and what it says."""
        _, errors = self.training.communicate("stop\n", timeout=60)
        assert self.training.returncode == 0, errors
        out, errors = self.following.communicate(timeout=120)
        assert out, errors
        return self.following.returncode, json.loads(out)


@contextmanager
def beside(lab: Lab, implant: Path | None = None) -> Iterator[Beside]:
    """Start a training and an audit that follows it."""
    script = lab.script("functional_loss")
    text = script.read_text(encoding="utf-8")
    # A replay has no standard input, and so does not wait. Two threads pay for it twice as fast as one.
    text = text.replace("range(args.steps):\n", f"range(args.steps):\n{WAIT}")
    script.write_text(text.replace("set_num_threads(1)", "set_num_threads(2)"), encoding="utf-8")
    extra = {"PYTHONUNBUFFERED": "1"} | ({"PYTHONPATH": str(implant)} if implant else {})
    record = ("run", "--interval", str(INTERVAL), "--digests", "full", "--")
    command = python(script.name, "--steps", "1000")
    follow = ("audit", "last", "--follow", "--share", "100%", "--nice", "0", "--json")
    with lab.started(*record, *command, extra=extra, stdin=subprocess.PIPE) as training:
        while not list(lab.ledger.glob("runs/*/log/*")):
            assert training.poll() is None
            time.sleep(0.05)
        with lab.started(*follow) as following:
            yield Beside(lab, training, following)


def test_a_tampered_step_is_told_and_on_record_while_the_run_goes_on(lab: Lab) -> None:
    implant = reversed_update.plant(lab.folder / "implant", steps=[6], tensor=2)
    with beside(lab, implant.parent) as both:
        both.step(INTERVAL + 1)
        both.heard("step 6 does not replay; found")
        found = both.entries("finding.raised")
        assert not both.entries("run.closed")
        status, said = both.end()
    # A pristine optimizer beside the run may have seen it, too.
    bodies: list[Any] = [each.body for each in found if str(each.body["rule"]).startswith("RPL")]
    assert {each.body["step"] for each in found if str(each.body["rule"]).startswith("STEP")} <= {6}
    assert [(each["step"], each["evidence"]["what"]) for each in bodies] == [(6, "update")]
    assert status == 1
    assert said["verdict"] == "violated"
    assert [each["step"] for each in said["findings"]] == [6]
    assert said["ended"] is True
    assert said["found_after_seconds"][0] <= said["worst_delay_seconds"]
    audits = both.entries("audit.done")
    assert [each.body["verdict"] for each in audits] == ["violated"]


@pytest.mark.long
def test_an_honest_run_that_is_followed_ends_verified(lab: Lab) -> None:
    with beside(lab) as both:
        both.step(INTERVAL + 1)
        status, said = both.end()
    assert status == 0, said
    assert said["verdict"] == "verified"
    assert said["coverage"]["intervals_checked"] >= 1
    assert said["ended"] is True
    assert not both.entries("finding.raised")


@pytest.mark.long
def test_sabotage_that_comes_after_honest_steps_is_found_at_its_step(lab: Lab) -> None:
    implant = reversed_update.plant(lab.folder / "implant", steps=[13], tensor=2)
    with beside(lab, implant.parent) as both:
        both.step(INTERVAL + 1)
        both.heard("steps 0 to 9: verified")
        assert not both.entries("finding.raised")
        both.step(INTERVAL)
        both.heard("step 13 does not replay; found")
        found = both.entries("finding.raised")
        assert not both.entries("run.closed")
        status, said = both.end()
    assert [each.body["step"] for each in found] == [13]
    assert status == 1
    assert [each["step"] for each in said["findings"]] == [13]
