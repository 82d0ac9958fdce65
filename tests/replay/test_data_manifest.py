"""Data that changed since the run, or is gone, is named, and nothing is replayed from it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab import Lab, python
from veristep.core.canonical import Json
from veristep.replay.room.data import compare
from veristep.replay.room.view import DataFile
from veristep.replay.sandbox import bubblewrap
from veristep.supervise.manifest import DataManifest

SCRIPT = """
import sys, os
import numpy as np, torch
from torch import nn
folder = sys.argv[1]
images = torch.from_numpy(np.load(folder + "/images.npy", mmap_mode="r")[:])
scale = torch.load(folder + "/scale.pt")
torch.manual_seed(0)
model = nn.Linear(8, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(8):
    optimizer.zero_grad()
    loss = (model(images[step * 8 : step * 8 + 8]) * scale).square().mean()
    loss.backward()
    optimizer.step()
os.makedirs(folder + "/../out/new")
torch.save(model.state_dict(), folder + "/../out/new/model.pt")
"""


def test_a_run_replays_from_its_data_elsewhere_until_that_changes_or_is_gone(lab: Lab) -> None:
    import numpy as np
    import torch

    folder = lab.folder / "elsewhere" / "data"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).random((64, 8), dtype=np.float32)
    np.save(folder / "images.npy", images)
    torch.save(torch.tensor(2.0), folder / "scale.pt")
    (lab.work / "train.py").write_text(SCRIPT, encoding="utf-8")
    (lab.folder / "elsewhere" / "out").mkdir()
    lab.record(python("train.py", str(folder)), interval=4)
    verdict = lab.audit("last", "--steps", "4:8")
    assert verdict["verdict"] == "verified", verdict
    assert verdict["room"]["data"].startswith("2 files as in the manifest")
    if bubblewrap.usable() is not None:
        assert verdict["room"]["sandbox"] == "bubblewrap"
    assert "in place" in verdict["room"]["weaker"][0]
    images[40, 3] += 1
    np.save(folder / "images.npy", images)
    verdict = lab.audit("last", "--steps", "4:8", status=3)
    put_back = ": put it back as it was, and audit again"
    assert verdict["reason"] == f"data {folder / 'images.npy'} changed since the run{put_back}"
    assert (verdict["verdict"], verdict["coverage"]["steps_checked"]) == ("unverified", 0)
    (folder / "images.npy").unlink()
    verdict = lab.audit("last", "--steps", "4:8", status=3)
    assert verdict["reason"] == f"data {folder / 'images.npy'} is gone or cannot be read{put_back}"
    assert (verdict["verdict"], verdict["coverage"]["steps_checked"]) == ("unverified", 0)


def test_a_file_is_in_the_manifest_once_with_its_digest_or_why_it_has_none(tmp_path: Path) -> None:
    lines: list[dict[str, Json]] = []
    gaps: list[str] = []
    for name, text in (("same", "s"), ("new", "n"), ("changing", "before")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    started = (tmp_path / "new").stat().st_mtime_ns
    notes = []
    for name in ("same", "same", "new", "changing"):
        status = (tmp_path / name).stat()
        mtime = started - 1 if name != "new" else started
        if name == "same":
            os.utime(tmp_path / name, ns=(mtime, mtime))
        notes.append(json.dumps(["read", str(tmp_path / name), status.st_size, mtime]))
    (tmp_path / "changing").write_text("after it was read", encoding="utf-8")
    (tmp_path / "reads").write_text("\n".join([*notes, "no line", '["read"]', ""]), encoding="utf-8")
    manifest = DataManifest(
        str(tmp_path), lines.append, lambda what, why: gaps.append(why), "/code", frozenset(), started
    )
    manifest.finish()
    by_name = {Path(str(line["path"])).name: line for line in lines}
    assert len(lines) == len(by_name) == 3
    assert len(str(by_name["same"]["blake3"])) == 64
    assert by_name["new"]["note"] == "made or changed after the run had started"
    assert by_name["changing"]["note"] == "changed while the run read it"
    assert gaps == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_file_without_a_digest_is_counted_as_not_compared(tmp_path: Path, kept: bool) -> None:
    path = str(tmp_path / "x")
    state = compare(
        [DataFile(path, note="there was no time to read it")], frozenset({path} if kept else ())
    )
    assert (state.reason, len(state.unchecked)) == ("", 0 if kept else 1)
    assert kept or "1 not compared" in state.summary
