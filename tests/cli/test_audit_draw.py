"""On a real audited run: its draw is bound and recomputable, and an audit forged after it is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from veristep.core.canonical import Json
from veristep.ledger import auditors
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger


def checked(veristep: Any, *words: str | Path, status: int, ledger: Path | None = None) -> dict[str, Any]:
    done = veristep("audit", "verify-draw", *words, "--json", ledger=ledger)
    assert done.returncode == status, done.stdout + done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def forge(path: Path, change: Mapping[str, Json], **draw: Json) -> None:
    """Append an audit like the last one, but for what is changed: what a dishonest auditor would do."""
    with Ledger.open(path) as ledger:
        last = list(ledger.entries(kind="audit.done"))[-1]
        body: dict[str, Any] = {**last.body, **change}
        body["draw"] = {**body["draw"], **draw}
        ledger.append(Draft("audit.done", body, last.run))


def test_the_draw_of_an_audit_is_verified(veristep: Any) -> None:
    value = checked(veristep, status=0)
    assert (value["verdict"], value["problems"], value["unbound"]) == ("verified", [], [])
    assert (value["intervals"], len(value["judged"])) == (6, 2)
    text = veristep("audit", "verify-draw").stdout
    assert "before the run ended" in text
    assert "first one that covers the run's end" in text


def test_the_nonce_is_committed_with_the_opening_and_its_key_is_private(veristep: Any) -> None:
    with Ledger.open(veristep.ledger) as ledger:
        kinds = [entry.kind for entry in ledger.entries()]
        origin = ledger.origin
    assert kinds[:2] == ["run.opened", auditors.COMMITTED]
    key = veristep.ledger / auditors.KEY_FILE
    assert key.stat().st_mode & 0o077 == 0
    assert origin


def test_an_audit_of_other_intervals_than_the_drawn_ones_is_named(veristep: Any, broken: Path) -> None:
    forge(broken, {"choice": {"kind": "count", "count": 3}})
    value = checked(veristep, status=1, ledger=broken)
    assert "left out" in value["problems"][0]


def test_an_audit_with_another_nonce_or_a_later_checkpoint_is_named(veristep: Any, broken: Path) -> None:
    forge(broken, {}, nonce="00" * 64)
    value = checked(veristep, status=1, ledger=broken)
    assert any("not the one committed to" in problem for problem in value["problems"])
    with Ledger.open(broken) as ledger:
        later = ledger.checkpoint()
    forge(broken, {}, checkpoint=later)
    value = checked(veristep, status=1, ledger=broken)
    assert any("first checkpoint" in problem for problem in value["problems"])
    # An honest audit stays what it was.
    with Ledger.open(broken) as ledger:
        honest = next(iter(ledger.entries(kind="audit.done"))).index
    assert checked(veristep, "--entry", str(honest), status=0, ledger=broken)["entry"] == honest


def test_committing_after_the_end_is_refused_and_nothing_is_logged(
    veristep: Any, broken: Path, tmp_path: Path
) -> None:
    before = len(veristep("ledger", "fsck", broken).stdout)
    done = veristep("audit", "commit", "last", "--auditor-key", tmp_path / "a.key", ledger=broken)
    assert done.returncode == 2
    assert "has ended" in done.stderr
    assert len(veristep("ledger", "fsck", broken).stdout) == before
    assert "--auditor-key" in veristep("audit", "commit", ledger=broken).stderr


def test_the_plan_says_what_it_would_take_and_logs_nothing(veristep: Any) -> None:
    size = Ledger.open(veristep.ledger).size()
    done = veristep("audit", "--plan", "--risk-limit", "1%", "--max-tampered", "10%", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["intervals"], value["asked"], value["replayable"]) == (6, 6, 6)
    assert value["least_chance_missed"] == 0
    assert value["measured"] is True
    assert value["asked_seconds"] > value["interval_seconds"] > 0
    text = veristep("audit", "--plan").stdout
    assert "few snapshots" in text
    assert Ledger.open(veristep.ledger).size() == size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--risk-limit", "5"], "needs its % sign"),
        (["--risk-limit", "0"], "none"),
        (["--risk-limit", "1%", "--max-tampered", "x"], "not a share"),
        (["--max-tampered", "1%"], "--risk-limit"),
        (["--risk-limit", "1%", "--all"], "exclude each other"),
        (["--coverage", "120%"], "more than all"),
        (["--auditor-key", "nowhere.key"], "no key"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(veristep: Any, words: list[str], message: str) -> None:
    done = veristep("audit", *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr


def test_a_run_is_recorded_even_when_no_commitment_can_be_made(veristep: Any, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with Ledger.init(path):
        (path / auditors.KEY_FILE).write_text("no key\n", encoding="ascii")
        (path / auditors.KEY_FILE).chmod(0o600)
    ran = veristep("run", "--", sys.executable, "-c", "print('trained')", ledger=path)
    assert (ran.returncode, ran.stdout) == (0, "trained\n")
    assert "no commitment" in ran.stderr
    with Ledger.open(path) as ledger:
        kinds = {entry.kind for entry in ledger.entries()}
    assert {"run.opened", "run.closed"} <= kinds
    assert auditors.COMMITTED not in kinds
