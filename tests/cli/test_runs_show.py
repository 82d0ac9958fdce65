"""`runs` and `show`: states are honest, nothing is hidden, run data cannot fool a terminal."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from veristep.case.overview import SILENCE_NS, State, last_entry, overview, overviews
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from veristep.core.canonical import Json

HOUR_NS = 3600 * 10**9


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """An empty ledger, with what clients remember of it inside the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as opened:
        yield opened


def opened(run: str = "r", **body: Json) -> Draft:
    return Draft("run.opened", {"started_ns": 1, "run_key": "00" * 32, **body}, run)


def audit(verdict: str, run: str = "r") -> Draft:
    counts: dict[str, Json] = {"intervals": 6, "intervals_checked": 2}
    return Draft("audit.done", {"verdict": verdict, "coverage": counts}, run)


# -- runs ---------------------------------------------------------------------------------------


def test_runs_lists_a_finished_run_with_its_steps_and_audit(veristep: Any) -> None:
    listed = veristep("runs", "--json")
    assert listed.returncode == 0
    value = json.loads(listed.stdout)
    assert value["schema"] == "veristep/1"
    (run,) = value["runs"]
    assert (run["state"], run["steps"], run["gaps"]) == ("finished", {"0": 30}, 0)
    assert run["last_audit"]["verdict"] == "verified"
    assert run["last_audit"]["coverage"]["intervals_checked"] == 2
    table = veristep("runs").stdout
    assert run["run"] in table
    assert "verified 2/6" in table


def test_runs_reads_no_run_log(veristep: Any, broken: Path) -> None:
    shutil.rmtree(broken / "runs")
    shutil.rmtree(broken / "objects")
    assert "finished" in veristep("runs", ledger=broken).stdout


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (0, State.FINISHED, "finished"),
        (3, State.FAILED, "failed (status 3)"),
        (137, State.FAILED, "failed (status 137, as of SIGKILL)"),
        (-9, State.KILLED, "killed (SIGKILL)"),
        (-15, State.KILLED, "killed (SIGTERM)"),
    ],
)
def test_a_closed_run_ends_as_its_command_ended(
    ledger: Ledger, status: int, state: State, words: str
) -> None:
    ledger.append(opened(), Draft("run.closed", {"returncode": status, "steps": {"0": 4}}, "r"))
    found = overview(ledger, "r", 0)
    assert (found.standing.state, found.standing.words) == (state, words)
    assert "run.closed, entry 1" in found.standing.evidence
    assert found.total_steps == 4


def test_a_silent_run_is_lost_and_never_shown_as_running(ledger: Ledger) -> None:
    ledger.append(opened(), Draft("segment.sealed", {"steps": {"0": 9, "1": 9}, "gaps": 2}, "r"))
    heard = next(iter(ledger.entries(kind="segment.sealed"))).time_ns
    running = overview(ledger, "r", heard + SILENCE_NS - 1)
    assert running.standing.state is State.RUNNING
    lost = overview(ledger, "r", heard + SILENCE_NS)
    assert lost.standing.state is State.LOST
    assert lost.standing.words.startswith("lost (last heard of ")
    assert lost.steps_in_words() == "9 x 2 ranks"
    assert lost.gaps == 2


def test_a_run_that_never_spoke_is_lost_too(ledger: Ledger) -> None:
    ledger.append(opened())
    assert overviews(ledger, 1 << 62)[0].standing.state is State.LOST


def test_the_last_of_many_segments_is_the_one_reported(ledger: Ledger) -> None:
    ledger.append(opened("a"), opened("b"))
    for run, count in (("a", 1300), ("b", 700)):
        ledger.append(*[Draft("segment.sealed", {"steps": {"0": step}}, run) for step in range(count)])
    for run, count in (("a", 1300), ("b", 700)):
        last = last_entry(ledger, run, "segment.sealed")
        assert last is not None
        assert last.body["steps"] == {"0": count - 1}


def test_a_clean_audit_does_not_hide_an_earlier_violated_one(ledger: Ledger) -> None:
    ledger.append(opened(), audit("violated"), audit("verified"))
    assert overviews(ledger, 0)[0].audit_in_words() == "verified 2/6 (violated before)"


def test_a_verdict_this_version_does_not_know_is_no_verification(ledger: Ledger) -> None:
    ledger.append(opened(), audit("splendid"))
    assert overviews(ledger, 0)[0].audit_in_words() == "unverified 2/6"


# -- show ---------------------------------------------------------------------------------------


def test_show_tells_what_ran_and_what_it_left(veristep: Any) -> None:
    shown = veristep("show")
    assert shown.returncode == 0, shown.stderr
    for part in (
        "classifier_loader.py",
        "finished  (run.closed, entry ",
        "30 steps, ",
        "per second, median ",
        "6 snapshots, 5 steps apart",
        "gaps       none",
        "out/epoch2.pt",
        "findings   none",
        "2 of 6 intervals, 10 of 30 steps",
        "torch ",
    ):
        assert part in shown.stdout


def test_show_json_has_everything(veristep: Any) -> None:
    value = json.loads(veristep("show", "last", "--json").stdout)
    assert value["schema"] == "veristep/1"
    assert value["streams"][0]["steps"] == 30
    assert [each["step"] for each in value["artifacts"]] == [12, 24, 30]
    assert len(value["artifacts"][0]["sha256"]) == 64
    assert value["audits"][0]["verdict"] == "verified"
    assert value["error"] is None


def test_show_of_a_tampered_log_says_where_and_still_shows_the_ledger(veristep: Any, broken: Path) -> None:
    log = next(log for log in (broken / "runs").rglob("*.jsonl") if b'"loss":2.7' in log.read_bytes())
    data = log.read_bytes()
    log.write_bytes(data.replace(b'"loss":2.7', b'"loss":1.7', 1))
    shown = veristep("show", ledger=broken)
    assert shown.returncode == 1
    assert "error[tampered]" in shown.stderr
    assert log.name in shown.stderr
    assert "expected root" in shown.stderr
    assert "out/epoch2.pt" in shown.stdout
    assert "steps      30" in shown.stdout
    value = json.loads(veristep("show", "--json", ledger=broken).stdout)
    assert value["error"]["code"] == "tampered"


def test_run_data_cannot_steer_the_terminal(veristep: Any, ledger: Ledger) -> None:
    trick = "train.py\x1b[2K\rverified \u202e"
    ledger.append(
        opened(command=["python", trick], project="p\x1b[8m"),
        Draft("run.closed", {"returncode": 0}, "r"),
    )
    for words in (("show",), ("runs",)):
        text = veristep(*words, ledger=ledger.path).stdout
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\\x1b[2K\\x0dverified \\u202e" in veristep("show", ledger=ledger.path).stdout


def test_a_run_that_is_not_there_is_a_usage_error(veristep: Any) -> None:
    shown = veristep("show", "nosuchrun")
    assert shown.returncode == 2
    assert "error[not-found]" in shown.stderr
