from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints import Checkpoints
from veristep.ledger.log import Ledger


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkpoints]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as ledger:
        made = Checkpoints(tmp_path, ledger)
        made.train()
        yield made
