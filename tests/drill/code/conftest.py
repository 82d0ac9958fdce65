from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coderepo import CodeRepository
from veristep.ledger.log import Ledger


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CodeRepository]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as ledger:
        yield CodeRepository(tmp_path, ledger)
