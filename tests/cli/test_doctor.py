"""`veristep doctor`: what works here is tried, what does not is said with what it costs and what helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from veristep.cli.facilities.facility import Facility, Standing, State, every, look


@dataclass(frozen=True)
class Cli:
    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "veristep.cli.main", *words]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


def told(cli: Cli, *words: str) -> dict[str, Any]:
    done = cli("doctor", "--json", *words)
    assert done.returncode in (0, 3), done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def desk(tmp_path: Path) -> Cli:
    work = tmp_path / "work"
    work.mkdir()
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    return Cli(work, {**environment, "VERISTEP_LEDGER": str(tmp_path / "ledger")})


def test_every_facility_has_a_name_of_its_own_and_says_what_is_lost_without_it() -> None:
    found = every()
    assert len({each.name for each in found}) == len(found) >= 10
    for each in found:
        assert each.serves
        assert each.without
        assert not each.without.endswith(".")


def test_what_is_tried_here_stands_in_the_answer(desk: Cli) -> None:
    answer = told(desk)
    standing = {each["name"]: each["standing"] for each in answer["facilities"]}
    assert standing["Python"] == "works"
    assert standing["ledger"] == "works"
    assert standing["separation"] == "partly"
    (ledger,) = (each for each in answer["settings"] if each["name"] == "ledger")
    assert ledger["source"] == "VERISTEP_LEDGER"
    text = desk("doctor")
    assert "without it: whoever has this account" in text.stdout


def test_a_program_that_is_not_there_is_said_with_what_it_costs(desk: Cli, tmp_path: Path) -> None:
    bare = Cli(desk.folder, {**desk.environment, "PATH": str(tmp_path)})
    git = next(each for each in told(bare)["facilities"] if each["name"] == "git")
    assert git["standing"] == "missing"
    assert "apt install git" in git["hint"]
    assert "compared with commits" in git["without"]


def test_each_setting_names_its_source_and_a_wrong_policy_ends_with_3(desk: Cli) -> None:
    (desk.folder / "veristep.toml").write_text('[rules]\nENV = "record"\n', encoding="utf-8")
    (rule,) = (each for each in told(desk)["settings"] if each["name"] == "ENV")
    assert rule == {"name": "ENV", "value": "record", "source": str(desk.folder / "veristep.toml")}
    (desk.folder / "veristep.toml").write_text('[rulez]\nENV = "record"\n', encoding="utf-8")
    done = desk("doctor")
    assert done.returncode == 3
    assert "did you mean 'rules'" in done.stdout


def test_a_facility_that_cannot_be_tried_hides_no_other() -> None:
    def broken() -> State:
        raise RuntimeError("no such thing")

    facility = replace(every()[0], look=broken)
    assert isinstance(facility, Facility)
    state = look(facility)
    assert state.standing is Standing.MISSING
    assert "RuntimeError: no such thing" in state.found
