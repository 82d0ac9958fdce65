"""What clients remember: a ledger that was rolled back, forked or replaced is noticed."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from veristep.errors import MalformedError, TamperedError
from veristep.ledger import memory
from veristep.ledger.entries import Draft
from veristep.ledger.fsck import fsck
from veristep.ledger.log import Ledger

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "example.com/log"


def grow(path: Path, count: int) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(*[Draft("note", {"n": n}) for n in range(count)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Ledger.init(tmp_path / "l", origin=ORIGIN).close()
    grow(tmp_path / "l", 5)
    return tmp_path / "l"


def assert_noticed(path: Path, says: str) -> None:
    with pytest.raises(TamperedError, match=says) as caught:
        Ledger.open(path)
    assert "compare them" in caught.value.hint
    assert any(says in problem.what for problem in fsck(path).problems)


def test_a_rollback_is_noticed(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "old")
    grow(path, 3)
    assert_noticed(tmp_path / "old", "expected at least 8, got 5")


def test_a_fork_is_noticed(path: Path, tmp_path: Path) -> None:
    shutil.copytree(path, tmp_path / "fork")
    state = memory.state_path(ORIGIN)
    kept = state.read_bytes()
    grow(path, 3)
    after = state.read_bytes()
    state.write_bytes(kept)
    grow(tmp_path / "fork", 4)
    state.write_bytes(after)
    assert_noticed(tmp_path / "fork", "is not the one seen before at 8 entries")


def test_a_replaced_ledger_is_noticed(path: Path, tmp_path: Path) -> None:
    state = memory.state_path(ORIGIN)
    kept = state.read_bytes()
    state.unlink()
    Ledger.init(tmp_path / "other", origin=ORIGIN).close()
    state.write_bytes(kept)
    assert_noticed(tmp_path / "other", "key changed")


def test_the_latest_checkpoint_is_remembered_and_no_older_one(path: Path) -> None:
    seen = memory.recall(ORIGIN)
    assert seen is not None
    assert seen.checkpoint.size == 5
    memory.remember(ORIGIN, memory.Seen(seen.vkey, "older"), 4)
    assert memory.recall(ORIGIN) == seen
    assert memory.recall("unknown.example") is None


@pytest.mark.parametrize("data", [b"", b"garbage", b'{"vkey":1}', b"\xff"])
def test_a_damaged_memory_is_said_to_be_one(path: Path, data: bytes) -> None:
    memory.state_path(ORIGIN).write_bytes(data)
    with pytest.raises(MalformedError, match="is damaged") as caught:
        Ledger.open(path)
    assert "remove" in caught.value.hint
    assert any("is damaged" in problem.what for problem in fsck(path).problems)


def test_without_a_place_to_remember_the_ledger_works(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    grow(path, 1)
    report = fsck(path)
    assert report.problems == ()
    assert any("nothing is remembered" in line for line in report.not_checked)


def test_rolling_back_only_the_database_is_noticed_without_memory(path: Path, state_home: Path) -> None:
    connection = sqlite3.connect(path / "ledger.db")
    connection.execute("DELETE FROM entry WHERE idx = 4")
    connection.execute("DELETE FROM checkpoint WHERE size = 5")
    connection.commit()
    connection.close()
    shutil.rmtree(state_home / "veristep")
    assert fsck(path).problems
