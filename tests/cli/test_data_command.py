"""`veristep data`: what people see of it, and its exit status."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from veristep.cli.main import cli
from veristep.errors import VeristepError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VERISTEP_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "labels.csv").write_text("a,1\nb,2\n")
    (tmp_path / "set" / "images.bin").write_bytes(bytes(5000))

    def run(*words: str) -> tuple[int, str]:
        done: Result = CliRunner().invoke(cli, ["data", *words], standalone_mode=False)
        if isinstance(done.exception, VeristepError):
            return int(done.exception.exit_status), done.exception.message
        if done.exception is not None:
            raise done.exception
        return int(done.return_value or 0), done.output

    return run


def test_lock_check_and_list(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, told = run("lock", "set")
    assert (status, "2 files" in told) == (0, True)
    assert run("check")[0] == 0
    assert run("check", "set")[0] == 0
    assert "set" in run("list")[1]
    (tmp_path / "set" / "labels.csv").write_text("a,1\nb,3\n")
    status, told = run("check", "set")
    assert status == 1
    assert "error[DATA001]" in told
    assert "labels.csv:2" in told
    assert "+ 2: b,3" in told


def test_a_check_that_reads_less_says_so_and_exits_3(run) -> None:  # type: ignore[no-untyped-def]
    time.sleep(1.05)  # what has just been written is read whatever was asked for
    run("lock", "set", "--chunk", "4KiB")
    status, told = run("check", "--sample", "1", "--changed", "2")
    assert status == 3
    assert "would have been missed with probability" in told
    value = json.loads(run("check", "--risk-limit", "50%", "--json")[1])
    assert (value["verdict"], value["changed"]) == ("unverified", 1)
    assert value["missed"] <= 0.5


def test_a_copy_is_checked_where_it_lies(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run("lock", "set")
    (tmp_path / "set").rename(tmp_path / "copy")
    assert run("check", "set", "--at", "copy")[0] == 0
    assert run("check", "set")[0] == 1


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("lock", "nowhere"), 2, "there is no"),
        (("lock", "set", "--chunk", "1"), 2, "chunk"),
        (("check", "nothing"), 2, "no data 'nothing' is locked"),
        (("check", "set", "--sample", "many"), 2, "neither a number"),
        (("check", "set", "--risk-limit", "200%"), 2, "is not a share"),
        (("check", "set", "--quick", "--sample", "1"), 2, "exclude each other"),
        (("lock", "nosuchthing://bucket"), 3, "cannot be reached"),
    ],
)
def test_bad_requests_say_what_and_why(run, words, status, says) -> None:  # type: ignore[no-untyped-def]
    run("lock", "set")
    got = run(*words)
    assert got[0] == status
    assert says in got[1]
