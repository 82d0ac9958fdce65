"""An audit changes nothing, writes nowhere, and says so when a script would."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab import Lab, python
from veristep.replay.sandbox import bubblewrap

# Where bubblewrap works a room has a root of its own; elsewhere what lies outside is refused.
SANDBOXED = bubblewrap.usable() is not None

WRITES_ELSEWHERE = """
import sys, pathlib
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
target = pathlib.Path(sys.argv[1])
{act}
for step in range(12):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
"""


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_a_run_wrote_is_byte_for_byte_the_same_after_an_audit(lab: Lab) -> None:
    lab.script("resumes")
    lab.record(python("resumes.py", "--steps", "10"), interval=5)
    lab.record(python("resumes.py", "--steps", "10"), interval=5)
    before = fingerprint(lab.work)
    assert any(name.endswith("ckpt.pt") for name in before)
    assert lab.audit("last", "--all")["verdict"] == "verified"
    assert fingerprint(lab.work) == before


def contained(lab: Lab, act: str, target: Path) -> None:
    """Record a script that acts on a path outside its folder, and audit it."""
    script = lab.work / "train.py"
    script.write_text(WRITES_ELSEWHERE.format(act=act), encoding="utf-8")
    lab.record(python("train.py", str(target)), interval=6)
    before = fingerprint(lab.folder / "elsewhere")
    verdict = lab.audit("last", "--steps", "6:12", status=0 if SANDBOXED else 3)
    if SANDBOXED:
        assert verdict["verdict"] == "verified", verdict
    else:
        assert verdict["reason"] == f"would write {target}"
    assert verdict["findings"] == []
    assert fingerprint(lab.folder / "elsewhere") == before


def elsewhere(lab: Lab) -> Path:
    folder = lab.folder / "elsewhere"
    folder.mkdir()
    (folder / "precious.txt").write_text("keep me", encoding="utf-8")
    return folder


def test_a_write_elsewhere_does_not_happen_and_lands_in_the_room_where_there_is_one(lab: Lab) -> None:
    contained(lab, "target.write_text('gone')", elsewhere(lab) / "precious.txt")


def test_a_checkpoint_saved_elsewhere_lands_in_the_room_though_torch_opens_it_outside_python(
    lab: Lab,
) -> None:
    contained(lab, "torch.save(model.state_dict(), target)", elsewhere(lab) / "model.pt")


def test_a_delete_elsewhere_deletes_nothing(lab: Lab) -> None:
    folder = elsewhere(lab)
    (folder / "again.txt").write_text("x", encoding="utf-8")
    script = lab.work / "train.py"
    act = "again = target.parent / 'again.txt'\nif again.exists(): again.unlink()"
    script.write_text(WRITES_ELSEWHERE.format(act=act), encoding="utf-8")
    lab.record(python("train.py", str(folder / "precious.txt")), interval=6)
    (folder / "again.txt").write_text("x", encoding="utf-8")
    lab.audit("last", "--steps", "6:12", status=0 if SANDBOXED else 3)
    assert (folder / "again.txt").read_text(encoding="utf-8") == "x"


def test_a_file_changed_in_place_is_as_it_was_in_the_room_and_as_it_is_outside(lab: Lab) -> None:
    folder = elsewhere(lab)
    data = lab.work / "data.bin"
    data.write_bytes(b"0" * (2 << 20))  # too large to be kept with the code
    refused_path = data
    script = lab.work / "train.py"
    act = "open(target, 'r+b').write(b'1')"
    script.write_text(WRITES_ELSEWHERE.format(act=act), encoding="utf-8")
    lab.record(python("train.py", str(refused_path)), interval=6)
    content = data.read_bytes()
    assert lab.audit("last", "--steps", "6:12")["verdict"] == "verified"
    assert data.read_bytes() == content
    assert folder.exists()


def test_what_a_subprocess_writes_elsewhere_is_refused_by_the_kernel(lab: Lab) -> None:
    target = elsewhere(lab) / "precious.txt"
    script = lab.work / "train.py"
    act = "import subprocess\nsubprocess.run(['sh', '-c', 'echo gone > ' + str(target)])"
    script.write_text(WRITES_ELSEWHERE.format(act=act), encoding="utf-8")
    lab.record(python("train.py", str(target)), interval=6)
    target.write_text("keep me", encoding="utf-8")
    lab.audit("last", "--steps", "6:12", status=None)
    assert target.read_text(encoding="utf-8") == "keep me"
