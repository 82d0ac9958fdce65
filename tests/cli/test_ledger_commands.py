"""`ledger init` and `ledger fsck`: what they print is what somebody else can check with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def test_init_prints_the_origin_and_the_key_that_verifies_it(veristep: Any, tmp_path: Path) -> None:
    made = veristep("ledger", "init", tmp_path / "new", "--origin", "example.org/lab", "--json")
    assert made.returncode == 0, made.stderr
    value = json.loads(made.stdout)
    assert value["origin"] == "example.org/lab"
    assert value["vkey"] == (tmp_path / "new" / "ledger.vkey").read_text().strip()
    assert veristep("ledger", "fsck", tmp_path / "new").returncode == 0


def test_init_takes_the_ledger_option_and_prints_for_people(veristep: Any, tmp_path: Path) -> None:
    made = veristep("ledger", "init", "--ledger", tmp_path / "new")
    assert made.returncode == 0
    assert [line.split()[0] for line in made.stdout.splitlines()] == ["ledger", "origin", "vkey"]


def test_init_does_not_overwrite_a_ledger(veristep: Any) -> None:
    made = veristep("ledger", "init")
    assert made.returncode == 2
    assert "error[usage]" in made.stderr


def test_two_different_ledgers_named_at_once_are_refused(veristep: Any, tmp_path: Path) -> None:
    made = veristep("ledger", "init", tmp_path / "a", "--ledger", tmp_path / "b")
    assert made.returncode == 2
    assert not (tmp_path / "a").exists()


def test_fsck_of_an_untouched_ledger_is_clean_and_says_what_it_checked(veristep: Any) -> None:
    checked = veristep("ledger", "fsck")
    assert checked.returncode == 0, checked.stdout
    assert "clean" in checked.stdout
    assert " entries" in checked.stdout
    assert " segments" in checked.stdout


def test_fsck_names_the_changed_file_with_expected_and_got(veristep: Any, broken: Path) -> None:
    log = next(log for log in (broken / "runs").rglob("*.jsonl") if b'"loss":2.7' in log.read_bytes())
    log.write_bytes(log.read_bytes().replace(b'"loss":2.7', b'"loss":1.7', 1))
    checked = veristep("ledger", "fsck", broken)
    assert checked.returncode == 1
    assert "problem: " in checked.stdout
    assert log.name in checked.stdout
    value = json.loads(veristep("ledger", "fsck", broken, "--json").stdout)
    assert value["clean"] is False
    assert value["problems"]
    assert value["checked"]["entries"] > 0


def test_fsck_of_a_folder_that_is_not_there_is_a_usage_error(veristep: Any, tmp_path: Path) -> None:
    assert veristep("ledger", "fsck", tmp_path / "nosuch").returncode == 2
