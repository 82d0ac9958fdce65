"""A converted checkpoint holds the same numbers, and nothing of what the original would run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from veristep.cli.main import cli
from veristep.errors import MalformedError, TamperedError
from veristep.scan.converting import REST, TENSORS, convert


class Settings:
    """A class that no list knows."""

    def __init__(self) -> None:
        self.rate = 0.5


def test_every_number_arrives_and_what_does_not_is_named(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 3)
    tied = torch.arange(6, dtype=torch.float64)
    value = {
        "model": model.state_dict(),
        "half": torch.ones(2, 3, dtype=torch.bfloat16).t(),
        "tied": [tied, tied],
        "module": model,
        "array": np.arange(4, dtype=np.uint32),
        "rate": float("nan"),
        "step": (3, None, b"x"),
        "settings": Settings(),
    }
    torch.save(value, tmp_path / "a.pt")
    done = convert(tmp_path / "a.pt", tmp_path / "out")
    assert list(done.omitted) == ["settings"]
    assert done.omitted["settings"].endswith(".Settings")
    tensors, rest = load_file(tmp_path / "out" / TENSORS), json.loads((tmp_path / "out" / REST).read_text())
    found = rest["value"]

    def tensor(at: Any) -> torch.Tensor:
        return tensors[at["$tensor"]]

    assert torch.equal(tensor(found["model"]["weight"]), model.weight)
    assert torch.equal(tensor(found["half"]), torch.ones(3, 2, dtype=torch.bfloat16))
    assert found["tied"][0] == found["tied"][1]
    assert torch.equal(tensor(found["module"]["state"]["bias"]), model.bias)
    assert tensor(found["array"]["$array"]).tolist() == [0, 1, 2, 3]
    assert found["settings"]["state"] == {"rate": 0.5}
    assert found["step"] == {"$tuple": [3, None, {"$bytes": "eA=="}]}


def test_what_would_run_code_is_not_converted(tmp_path: Path, payload: Any, mark: Path) -> None:
    torch.save({"w": torch.zeros(3), "p": payload}, tmp_path / "a.pt")
    with pytest.raises(TamperedError, match="system"):
        convert(tmp_path / "a.pt", tmp_path / "out")
    assert not mark.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_what_is_damaged_leaves_nothing_behind(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(300)}, tmp_path / "a.pt")
    (tmp_path / "a.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:-400])
    with pytest.raises(MalformedError):
        convert(tmp_path / "a.pt", tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["a.pt"]


def test_the_command_says_what_it_could_not_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["convert", str(tmp_path / "gone"), str(tmp_path / "out")])
    assert done.exception is not None
    assert "there is no file" in str(done.exception)
