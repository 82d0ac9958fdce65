from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from locked_data import CHUNK, Data
from veristep.ledger.log import Ledger


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Data]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "set"
    (folder / "labels").mkdir(parents=True)
    rng = random.Random(7)
    for number in range(3):
        (folder / f"shard-{number}.bin").write_bytes(rng.randbytes(3 * CHUNK + number))
    (folder / "labels" / "train.csv").write_text("".join(f"{n}.png,{n % 7}\n" for n in range(2000)))
    (folder / "empty").write_bytes(b"")
    with Ledger.init(tmp_path / "ledger") as ledger:
        yield Data(folder, ledger)
