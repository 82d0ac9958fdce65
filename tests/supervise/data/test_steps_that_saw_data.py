"""Which steps trained on a sample, or on a file, can be told afterwards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from desk import Desk

TRAIN = """\
import sys
import torch
from torch.utils.data import DataLoader, Dataset
torch.set_num_threads(1)


class Rows(Dataset):
    def __init__(self, shards):
        self.shards, self.open = shards, {}

    def __len__(self):
        return 24

    def row(self, index):
        if not self.shards:
            return open(f"data/{index}").read()
        shard = index // 12
        if shard not in self.open:
            self.open[shard] = open(f"data/shard{shard}").read()
        return self.open[shard]

    def __getitem__(self, index):
        return torch.full((4,), float(len(self.row(index)) + index))


if __name__ == "__main__":
    torch.manual_seed(0)
    shards, workers = sys.argv[1] == "shards", int(sys.argv[2])
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    loader = DataLoader(Rows(shards), batch_size=4, shuffle=not shards, num_workers=workers)
    tested = DataLoader(Rows(shards), batch_size=12)
    for epoch in range(2):
        for batch in loader:
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()
            print("drew", *batch[:, 0].long().tolist())
"""


def trained(desk: Desk, kind: str, workers: int) -> list[list[int]]:
    """Train, and return the samples of each step as the script saw them."""
    data = desk.work / "data"
    data.mkdir()
    for index in range(24):
        (data / f"{index}").write_text("x")
    for shard in range(2):
        (data / f"shard{shard}").write_text("x")
    desk.write("train.py", TRAIN)
    done = desk.run([sys.executable, "train.py", kind, str(workers)])
    assert done.returncode == 0, done.stderr.decode()
    lines = [line.split()[1:] for line in done.stdout.decode().splitlines() if line.startswith("drew")]
    return [[int(word) - 1 for word in words] for words in lines]


def ask(desk: Desk, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "veristep.cli.main", "data", "seen", "--json", *arguments]
    answer: dict[str, Any] = json.loads(desk.bare(command).stdout)
    return answer


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
def test_a_sample_its_file_and_a_finding_about_it_name_the_steps_that_drew_it(
    desk: Desk, workers: int
) -> None:
    steps = trained(desk, "files", workers)
    assert len(steps) == 12
    for wanted in (0, 17):
        expected = [number for number, drawn in enumerate(steps) if wanted in drawn]
        (by_index,) = ask(desk, "--sample", str(wanted))["seen"]
        (by_file,) = ask(desk, str(Path("data") / str(wanted)))["seen"]
        assert by_index["steps"] == by_file["steps"] == expected
        assert by_file["samples"] == [wanted]
        assert "opened for" in by_file["how"]
    veristep = [sys.executable, "-m", "veristep.cli.main", "data"]
    assert desk.bare([*veristep, "lock", "data"]).returncode == 0
    (desk.work / "data" / "9").write_text("another label")
    checked = json.loads(desk.bare([*veristep, "check", "data", "--json"]).stdout)
    (finding,) = checked["findings"]
    assert finding["rule"] == "DATA001"
    expected = [number for number, drawn in enumerate(steps) if 9 in drawn]
    assert finding["evidence"]["trained_on"][0]["steps"] == expected


def test_a_shard_that_stays_open_counts_for_every_step_from_then_on(desk: Desk) -> None:
    steps = trained(desk, "shards", 0)
    first = next(number for number, drawn in enumerate(steps) if max(drawn) >= 12)
    (answer,) = ask(desk, "data/shard1")["seen"]
    assert first > 0
    assert answer["steps"] == list(range(first, len(steps)))
    assert "any step" in answer["how"]
    assert ask(desk, "data/nothing")["seen"] == []
