"""What gates tell becomes findings, whatever way it comes; a project's profile is kept from run to run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from veristep.core.verdicts import Finding
from veristep.guard.load import learned
from veristep.guard.load.gate import SETTINGS_FILE
from veristep.guard.load.notice import FILE
from veristep.guard.policy import Policy, parse
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.supervise.checks.load import Loads
from veristep.supervise.checks.protocol import Subject


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.open(tmp_path / "ledger", create=True) as made:
        yield made


def begin(ledger: Ledger, run: str, boot: Path, policy: Policy | None = None) -> Loads:
    ledger.append(Draft("run.opened", {"x": 1}, run, "project"))
    boot.mkdir(exist_ok=True)
    root = boot.parent
    check = Loads(Subject(run, "project", ("x",), root, root, {}, boot, ledger, policy or Policy()))
    check.before()
    return check


def notice(name: str, *, refused: bool = False, **more: object) -> Mapping[str, object]:
    rule = "LOAD001" if refused else "LOAD002"
    common = {"type": "load", "kind": "name", "rule": rule, "module": "m", "name": name, "why": "w"}
    return {**common, "refused": refused, "artifact": {"path": "/c.pt"}, **more}


def rules(found: list[Finding]) -> list[str]:
    return [each.rule for each in found]


def test_a_projects_profile_is_kept_from_run_to_run(ledger: Ledger, tmp_path: Path) -> None:
    for number in range(learned.FEWEST_RUNS):
        run = f"run-{number}"
        check = begin(ledger, run, tmp_path / "boot")
        assert rules(check.hear(notice("Known"))) == ["LOAD002"]
        check.hear(notice("Refused", refused=True))
        assert check.finish() == []
        ledger.append(Draft("run.closed", {"x": 1}, run, "project"))
    check = begin(ledger, "run-last", tmp_path / "boot")
    assert rules(check.hear(notice("Known"))) == ["LOAD002"]
    assert rules(check.hear(notice("New"))) == ["LOAD002", "LOAD008"]
    assert rules(check.hear(notice("Refused", refused=True))) == ["LOAD001", "LOAD008"]


def test_what_a_gate_wrote_down_because_nobody_listened_is_found_once(
    ledger: Ledger, tmp_path: Path
) -> None:
    check = begin(ledger, "run-1", tmp_path / "boot")
    place = ledger.run_dir("run-1") / FILE
    line = json.dumps(notice("a", refused=True))
    place.write_text(f"{line}\n{line[:20]}", encoding="utf-8")
    assert rules(check.look()) == ["LOAD001"]
    with place.open("a", encoding="utf-8") as file:
        file.write(f"{line[20:]}\n")
    assert rules(check.look()) == ["LOAD001"]
    assert check.finish() == []


def test_coverage_says_where_no_gate_stands(ledger: Ledger, tmp_path: Path) -> None:
    check = begin(ledger, "run-1", tmp_path / "boot")
    assert check.coverage() == {}
    gate = {"type": "load", "kind": "gate"}
    check.hear({**gate, "gate": "native", "stands": True, "peer_pid": 1})
    check.hear({**gate, "gate": "python", "stands": True, "peer_pid": 2})
    assert rules(check.hear({**gate, "gate": "python", "stands": False, "peer_pid": 3})) == ["LOAD007"]
    coverage = check.coverage()
    assert coverage["processes"].checked == 2
    assert coverage["processes"].not_checked == {"the gate does not stand": 1}
    assert coverage["gates in C"].checked == 1


def test_a_policy_reaches_the_gates(ledger: Ledger, tmp_path: Path) -> None:
    begin(ledger, "run-1", tmp_path / "boot", parse({"rules": {"LOAD": "record", "LOAD002": "block"}}, "t"))
    told = json.loads((tmp_path / "boot" / SETTINGS_FILE).read_text(encoding="utf-8"))
    assert told["actions"]["LOAD001"] == "record"
    assert told["actions"]["LOAD002"] == "block"
    begin(ledger, "run-2", tmp_path / "other", parse({"rules": {"LOAD": "off"}}, "t"))
    assert not (tmp_path / "other" / SETTINGS_FILE).exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"rule": "LOAD001"},
        {"rule": "LOAD001", "artifact": 7, "rank": "x", "line": "y"},
        {"kind": "gate", "peer_pid": "x", "stands": True},
        {"rule": "ENV001", "kind": "name"},
    ],
)
def test_whatever_a_process_claims_is_taken_for_what_it_says(
    ledger: Ledger, tmp_path: Path, odd: Mapping[str, object]
) -> None:
    check = begin(ledger, "run-1", tmp_path / "boot")
    found = check.hear({"type": "load", **odd})
    assert all(each.rule == "LOAD001" for each in found)
    check.coverage()
