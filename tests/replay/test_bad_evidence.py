"""Missing, changed or unusable evidence is said, is never a crash and never "clean"."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import Lab, python
from veristep.ledger.objects import ObjectStore
from veristep.ledger.snapshots import Manifest, SnapshotStore


def snapshot_parts(lab: Lab, place: int) -> list[Path]:
    """Return the files a snapshot consists of: its manifest, and the parts."""
    name = [
        json.loads(line)["objects"]
        for log in lab.ledger.glob("runs/*/log/*.jsonl")
        for line in log.read_text(encoding="utf-8").splitlines()
        if '"type":"snapshot"' in line
    ][place]
    objects = ObjectStore(lab.ledger / "objects")
    store = SnapshotStore(next(lab.ledger.glob("runs/*/snapshots")))
    parts = Manifest.from_bytes(objects.read(name)).stored
    return [objects.path(name), *(store.parts.path(part) for part in sorted(parts))]


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.mark.parametrize("part", [0, 1])
def test_a_corrupt_snapshot_leaves_its_interval_unverified_and_says_which_bytes(
    recorded: Lab, part: int
) -> None:
    flip(snapshot_parts(recorded, 1)[part], -3)
    verdict = recorded.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert "blake3" in verdict["reason"] or "changed" in verdict["reason"]


def test_a_missing_snapshot_leaves_its_interval_unverified(recorded: Lab) -> None:
    snapshot_parts(recorded, 1)[1].unlink()
    verdict = recorded.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert verdict["coverage"]["steps_checked"] == 0


def test_a_changed_tape_is_named_with_its_place(recorded: Lab) -> None:
    tape = next(iter(sorted(recorded.ledger.glob("runs/*/tape/0/*10.tape"))))
    flip(tape, tape.stat().st_size // 2)
    verdict = recorded.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert "tape" in verdict["reason"]
    assert "was changed" in verdict["reason"]


def test_a_missing_tape_leaves_its_interval_unverified(recorded: Lab) -> None:
    for tape in recorded.ledger.glob("runs/*/tape/0/*10.tape"):
        tape.unlink()
    verdict = recorded.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert "tape" in verdict["reason"]


def test_a_changed_step_record_is_tampering_with_the_log(recorded: Lab) -> None:
    logs = sorted(recorded.ledger.glob("runs/*/log/*.jsonl"))
    log, text = next(
        (each, text) for each in logs if '"loss":2.' in (text := each.read_text(encoding="utf-8"))
    )
    log.chmod(0o600)
    log.write_text(text.replace('"loss":2.', '"loss":1.', 1), encoding="utf-8")
    done = recorded.veristep("audit", "last")
    assert done.status == 1
    assert "error[tampered]" in done.err
    assert str(log) in done.err


def test_a_script_without_an_optimizer_step_is_not_covered_and_says_so(lab: Lab) -> None:
    lab.script("no_optimizer")
    lab.record(python("no_optimizer.py"))
    verdict = lab.audit("last", status=3)
    assert verdict["verdict"] == "not_covered"
    assert "no optimizer step" in verdict["reason"]


def test_a_script_that_is_not_deterministic_is_unverified_not_accused(lab: Lab) -> None:
    lab.script("nondeterministic")
    lab.record(python("nondeterministic.py", "--steps", "20"))
    verdict = lab.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert "not deterministic" in verdict["reason"]
    assert verdict["findings"] == []


@pytest.mark.long  # `veristep check` says the same of it, in a test that is not
def test_a_script_that_counts_steps_in_python_is_unverified_not_accused(lab: Lab) -> None:
    lab.script("counter_state")
    lab.record(python("counter_state.py", "--steps", "20"))
    verdict = lab.audit("last", "--steps", "10:20", status=3)
    assert verdict["verdict"] == "unverified"
    assert "state outside its tensors" in verdict["reason"]
    assert verdict["findings"] == []


def test_an_operation_that_is_not_deterministic_is_named(lab: Lab) -> None:
    script = lab.work / "train.py"
    script.write_text(
        """
import time, torch
from torch import nn
model = nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(12):
    optimizer.zero_grad()
    noise = torch.zeros(4).put_(torch.tensor([0]), torch.tensor([float(time.perf_counter_ns() % 1000)]))
    (model(torch.ones(8, 4)) * noise).mean().backward()
    optimizer.step()
""",
        encoding="utf-8",
    )
    lab.record(python("train.py"), interval=6)
    verdict = lab.audit("last", "--steps", "0:6", status=3)
    assert "put_ does not have a deterministic implementation" in verdict["reason"].replace("'", "")


def test_an_unknown_run_is_refused_with_a_hint(recorded: Lab) -> None:
    done = recorded.veristep("audit", "nonesuch")
    assert done.status == 2
    assert "no run 'nonesuch'" in done.err
    assert "veristep runs" in done.err


def test_a_ledger_of_another_version_is_refused_with_a_hint(recorded: Lab) -> None:
    marker = recorded.ledger / "veristep-ledger.json"
    marker.chmod(0o600)
    marker.write_text(
        marker.read_text(encoding="utf-8").replace("veristep-ledger/1", "veristep-ledger/9"),
        encoding="utf-8",
    )
    done = recorded.veristep("audit", "last")
    assert done.status == 3
    assert "error[unsupported-version]" in done.err
    bare = recorded.veristep("run", "--", "sh", "-c", "exit 7")
    assert bare.status == 7
    assert bare.err.count("not recording") == 1
