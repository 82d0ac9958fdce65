"""On a real audited run: its draw is bound and recomputable, and an audit forged after it is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from veristep.core.canonical import Json
from veristep.ledger import auditors
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger


@pytest.fixture
def copy(veristep: Any, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line on a copy of the ledger, remembered apart from the ledger it is a copy of."""
    state = str(tmp_path / "state")
    monkeypatch.setenv("XDG_STATE_HOME", state)
    return replace(veristep, ledger=broken, environment={**veristep.environment, "XDG_STATE_HOME": state})


def checked(veristep: Any, *words: str | Path, status: int) -> dict[str, Any]:
    done = veristep("audit", "verify-draw", *words, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def forge(copy: Any, change: Mapping[str, Json], **draw: Json) -> None:
    """Append an audit like the last one, but for what is changed: what a dishonest auditor would do."""
    with Ledger.open(copy.ledger) as ledger:
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


def test_the_nonce_is_committed_with_the_opening_and_its_key_is_private(copy: Any) -> None:
    with Ledger.open(copy.ledger) as ledger:
        kinds = [entry.kind for entry in ledger.entries()]
    assert kinds[:2] == ["run.opened", auditors.COMMITTED]
    assert (copy.ledger / auditors.KEY_FILE).stat().st_mode & 0o077 == 0


def test_an_audit_of_other_intervals_than_the_drawn_ones_is_named(copy: Any) -> None:
    forge(copy, {"choice": {"kind": "count", "count": 3}})
    value = checked(copy, status=1)
    assert "left out" in value["problems"][0]


def test_an_audit_with_another_nonce_or_a_later_checkpoint_is_named(copy: Any) -> None:
    forge(copy, {}, nonce="00" * 64)
    value = checked(copy, status=1)
    assert any("not the one committed to" in problem for problem in value["problems"])
    with Ledger.open(copy.ledger) as ledger:
        later = ledger.checkpoint()
    forge(copy, {}, checkpoint=later)
    value = checked(copy, status=1)
    assert any("first checkpoint" in problem for problem in value["problems"])
    # An honest audit stays what it was.
    with Ledger.open(copy.ledger) as ledger:
        honest = next(iter(ledger.entries(kind="audit.done"))).index
    assert checked(copy, "--entry", str(honest), status=0)["entry"] == honest


def test_committing_after_the_end_is_refused_and_nothing_is_logged(copy: Any, tmp_path: Path) -> None:
    with Ledger.open(copy.ledger) as ledger:
        before = ledger.size()
    done = copy("audit", "commit", "last", "--auditor-key", tmp_path / "a.key")
    assert done.returncode == 2
    assert "has ended" in done.stderr
    assert not (tmp_path / "a.key").exists()
    with Ledger.open(copy.ledger) as ledger:
        assert ledger.size() == before
    assert "--auditor-key" in copy("audit", "commit").stderr


def test_the_plan_says_what_it_would_take_and_logs_nothing(copy: Any) -> None:
    with Ledger.open(copy.ledger) as ledger:
        size = ledger.size()
    done = copy("audit", "--plan", "--risk-limit", "1%", "--max-tampered", "10%", "--json")
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert (value["intervals"], value["asked"], value["replayable"]) == (6, 6, 6)
    assert value["least_chance_missed"] == 0
    assert value["measured"] is True
    assert value["asked_seconds"] > value["interval_seconds"] > 0
    text = copy("audit", "--plan").stdout
    assert "few snapshots" in text
    with Ledger.open(copy.ledger) as ledger:
        assert ledger.size() == size


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


def test_a_run_is_recorded_even_when_no_commitment_can_be_made(copy: Any, tmp_path: Path) -> None:
    path = tmp_path / "new"
    with Ledger.init(path):
        (path / auditors.KEY_FILE).write_text("no key\n", encoding="ascii")
        (path / auditors.KEY_FILE).chmod(0o600)
    ran = copy("run", "--", sys.executable, "-c", "print('trained')", ledger=path)
    assert (ran.returncode, ran.stdout) == (0, "trained\n")
    assert "no commitment" in ran.stderr
    with Ledger.open(path) as ledger:
        kinds = {entry.kind for entry in ledger.entries()}
    assert {"run.opened", "run.closed"} <= kinds
    assert auditors.COMMITTED not in kinds
