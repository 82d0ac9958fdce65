"""`verify`: a file is what a recorded run wrote, or it is said what it is instead."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from veristep.case.origin import trace
from veristep.core.verdicts import Verdict
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from veristep.core.canonical import Json

SECOND_NS = 10**9


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """An empty ledger, with what clients remember of it inside the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as opened:
        yield opened


def written(ledger: Ledger, path: Path, data: bytes, run: str = "r", step: int = 10) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    body: dict[str, Json] = {"path": str(path), "size": len(data), "sha256": sha256, "step": step}
    ledger.append(Draft("artifact.written", body, run, "", frozenset({"path"})))


def a_run(ledger: Ledger, run: str = "r", **end: int) -> None:
    ledger.append(Draft("run.opened", {"started_ns": 1}, run))
    if end:
        ledger.append(Draft("run.closed", {"steps": {"0": 20}, **end}, run))


# -- a real run ---------------------------------------------------------------------------------


def test_an_untouched_checkpoint_is_verified_with_its_step(veristep: Any) -> None:
    checked = veristep("verify", "out/epoch1.pt")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("verified\n")
    assert "after 24 steps" in checked.stdout
    assert "2 of 6 intervals replayed" in checked.stdout


def test_a_copy_elsewhere_is_verified_and_said_to_be_moved(veristep: Any, tmp_path: Path) -> None:
    copy = tmp_path / "model.pt"
    copy.write_bytes((veristep.folder / "out/epoch1.pt").read_bytes())
    checked = veristep("verify", copy)
    assert checked.returncode == 0
    assert "moved: the run wrote it to " in checked.stdout


def test_one_changed_byte_is_violated_with_expected_and_got(veristep: Any) -> None:
    path = veristep.folder / "out/epoch2.pt"
    before = path.read_bytes()
    changed = bytearray(before)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    try:
        checked = veristep("verify", path, "--json")
        text = veristep("verify", path).stdout
    finally:
        path.write_bytes(before)
    assert checked.returncode == 1
    value = json.loads(checked.stdout)
    assert (value["schema"], value["verdict"]) == ("veristep/1", "violated")
    (finding,) = value["findings"]
    assert (finding["rule"], finding["step"], finding["rank"]) == ("FILE001", 30, 0)
    assert finding["evidence"]["expected"] == hashlib.sha256(before).hexdigest()
    assert finding["evidence"]["got"] == hashlib.sha256(changed).hexdigest()
    assert value["file"]["sha256"] == finding["evidence"]["got"]
    assert "error[FILE001]" in text
    assert "expected  sha256 " in text


def test_a_file_nobody_recorded_is_not_covered_and_not_clean(veristep: Any) -> None:
    checked = veristep("verify", "classifier_loader.py")
    assert checked.returncode == 3
    assert checked.stdout.startswith("not_covered")


def test_a_missing_file_is_a_usage_error(veristep: Any) -> None:
    checked = veristep("verify", "out/nosuch.pt")
    assert checked.returncode == 2
    assert "error[not-found]" in checked.stderr


# -- what an insider would try ------------------------------------------------------------------


def test_an_older_checkpoint_in_the_place_of_a_newer_one_is_violated(
    ledger: Ledger, tmp_path: Path
) -> None:
    a_run(ledger, returncode=0)
    first, second = tmp_path / "1.pt", tmp_path / "2.pt"
    written(ledger, first, b"one", step=1)
    written(ledger, second, b"two", step=2)
    second.write_bytes(b"one")
    traced = trace(ledger, second, 0)
    assert traced.result.verdict is Verdict.VIOLATED
    suspects = traced.result.findings[0].suspects
    assert any(each.value.startswith(str(first)) for each in suspects)


def test_rolling_back_a_file_to_its_own_earlier_content_is_violated(ledger: Ledger, tmp_path: Path) -> None:
    a_run(ledger, returncode=0)
    path = tmp_path / "latest.pt"
    written(ledger, path, b"old", step=1)
    written(ledger, path, b"new", step=2)
    path.write_bytes(b"old")
    assert trace(ledger, path, 0).result.verdict is Verdict.VIOLATED


def test_a_symbolic_link_does_not_hide_the_path(ledger: Ledger, tmp_path: Path) -> None:
    a_run(ledger, returncode=0)
    path, link = tmp_path / "model.pt", tmp_path / "link.pt"
    written(ledger, path, b"right")
    path.write_bytes(b"wrong")
    link.symlink_to(path)
    assert trace(ledger, link, 0).result.verdict is Verdict.VIOLATED


# -- no false alarms ----------------------------------------------------------------------------


def test_what_a_killed_run_wrote_in_its_last_moments_is_unverified(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "latest.pt"
    path.write_bytes(b"half of a checkpoint")
    now = path.stat().st_mtime_ns
    a_run(ledger, returncode=-9, ended_ns=now + SECOND_NS)
    written(ledger, path, b"the one before")
    traced = trace(ledger, path, now)
    assert traced.result.verdict is Verdict.UNVERIFIED
    assert traced.result.reason


def test_a_change_after_a_killed_run_ended_is_violated(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "latest.pt"
    path.write_bytes(b"swapped")
    now = path.stat().st_mtime_ns
    a_run(ledger, returncode=-9, ended_ns=now - SECOND_NS)
    written(ledger, path, b"the recorded one")
    assert trace(ledger, path, now).result.verdict is Verdict.VIOLATED


def test_a_finished_run_has_no_last_moments_to_hide_in(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "latest.pt"
    path.write_bytes(b"swapped")
    now = path.stat().st_mtime_ns
    a_run(ledger, returncode=0, ended_ns=now + SECOND_NS)
    written(ledger, path, b"the recorded one")
    os.utime(path, ns=(now, now))
    assert trace(ledger, path, now).result.verdict is Verdict.VIOLATED


def test_a_file_of_an_unaudited_run_is_not_called_correct(
    veristep: Any, ledger: Ledger, tmp_path: Path
) -> None:
    a_run(ledger, returncode=0)
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    written(ledger, path, b"weights")
    checked = veristep("verify", path, ledger=ledger.path)
    assert checked.returncode == 0
    assert "has not been audited" in checked.stdout
    assert "does not make it right" in checked.stdout
    assert "veristep audit r" in checked.stdout
