"""The report: one honest, self-contained page that the run it is about cannot attack."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from veristep.case.account import gather, verdict_of
from veristep.case.audited import Standing, judgements, spans
from veristep.case.overview import overview
from veristep.case.report import build
from veristep.case.series import MAX_CURVES, MAX_POINTS, quantities, thin
from veristep.core.canonical import encode
from veristep.core.records import Chain, SnapshotRecord, StepRecord, UnitsDigest
from veristep.core.verdicts import Verdict
from veristep.ledger.entries import Draft
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import RunKey, RunLogWriter
from veristep.replay.plan.intervals import make_plan
from veristep.replay.recorded import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from veristep.core.canonical import Json

RUN = "run-1"
TRICK = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
STEP_NS = 10**8
MEASURED: dict[str, Json] = {
    "of": "update", "coordinates": 3, "relative": 2.0, "cosine": -1.0, "cosine_error": 0.0, "later": 0,
    "recorded": [0.5, -0.25, "nan"], "replayed": [-0.5, 0.25, 0.125],
}  # fmt: skip
SEGMENT_LINES = 4000


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """An empty ledger, with what clients remember of it inside the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as opened:
        yield opened


def step_line(stream: str, step: int, loss: float | None) -> dict[str, Json]:
    digest = UnitsDigest("00" * 32, 10, 10)
    ended = (step + 1) * STEP_NS
    return StepRecord(
        stream=stream, step=step, optimizer=0, began_ns=ended - STEP_NS, ended_ns=ended,
        boundary="forward", entry=digest, batch="", rng="", hyper=(), grads=digest, params=digest,
        forwards=1, skipped=0, yields={}, consumed={}, loss=loss, grad_norm=1.0, tape=None,
    ).to_json()  # fmt: skip


def record(
    ledger: Ledger,
    *,
    steps: int = 60,
    every: int = 10,
    ranks: int = 1,
    losses: dict[int, float] | None = None,
    text: str = "train.py",
) -> None:
    """Write a run as the supervisor would."""
    key = RunKey.generate()
    body: dict[str, Json] = {
        "run_key": key.public_hex,
        "started_ns": 1,
        "command": ["python", text],
    }
    described = {**body, "cwd": text, "host": text, "user": text, "repository": {"commit": text}}
    ledger.append(Draft("run.opened", {**described, "project": text}, RUN))
    writer = RunLogWriter(ledger.run_dir(RUN) / "log", RUN, key)
    for rank in range(ranks):
        chain, name = Chain(), str(rank)
        writer.append(chain.line({"type": "platform", "stream": name, "torch": text}))
        for step in range(steps):
            if step % every == 0:
                snapshot = SnapshotRecord(name, step, "blake3:" + "00" * 32, 1, 1, 1)
                writer.append(chain.line(snapshot.to_json()))
            loss = (losses or {}).get(step, 1 / (step + 1))
            writer.append(chain.line(step_line(name, step, loss)))
        gap: dict[str, Json] = {"type": "gap", "what": text, "reason": text, "step": 5}
        writer.append(chain.line({**gap, "stream": name}))
    segment = writer.seal()
    assert segment is not None
    written: dict[str, Json] = {"path": text, "sha256": "11" * 32, "size": 3, "step": 30}
    ledger.append(
        Draft("segment.sealed", {"segment": segment.to_json(), "steps": {"0": steps}}, RUN),
        Draft("artifact.written", written, RUN),
        Draft("run.closed", {"returncode": 0, "steps": {"0": steps}, "gaps": 1}, RUN),
    )


def audit(ledger: Ledger, verdict: str, judged: list[list[Json]]) -> None:
    """Write an audit's verdict as `conduct` would."""
    details = ledger.objects.put(encode({"judged": judged}))
    counts: dict[str, Json] = {"intervals": 6, "intervals_checked": len(judged), "blocks": 10}
    body: dict[str, Json] = {
        "verdict": verdict,
        "coverage": counts,
        "objects": {"details": details},
    }
    ledger.append(Draft("audit.done", body, RUN))


def finding(ledger: Ledger, text: str) -> None:
    suspect: dict[str, Json] = {"what": text, "value": text, "how_known": text}
    body: dict[str, Json] = {
        "rule": text, "severity": "error", "summary": text, "rank": 0, "step": 25,
        "suspects": [suspect], "evidence": {
            "expected": text, "got": text, "what": text, "tensors": [text], "detail": text,
            "measured": MEASURED | {"tensors": [text]},
        },
    }  # fmt: skip
    ledger.append(Draft("finding.raised", body, RUN))


def made(ledger: Ledger) -> str:
    return build(gather(ledger, RUN, time.time_ns()))


class Tags(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.names: set[str] = set()
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._in_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)
            self._in_script = False


# -- it cannot be attacked, and loads nothing ---------------------------------------------------


def test_nothing_a_run_says_becomes_markup(ledger: Ledger) -> None:
    record(ledger, text=TRICK)
    audit(ledger, "unverified", [[0, 10, "unverified", TRICK], [10, 20, "violated", TRICK]])
    finding(ledger, TRICK)
    page = made(ledger)
    tags = Tags(page)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert len(tags.scripts) == 1
    assert "img" not in tags.names
    assert not [name for name, _ in tags.attributes if name.startswith("on")]


def test_text_cannot_turn_the_reading_direction(ledger: Ledger) -> None:
    record(ledger, text="gpj.\u202etp\x00")
    assert "\u202e" not in made(ledger)


def test_it_loads_nothing_and_its_policy_allows_nothing_else(ledger: Ledger) -> None:
    record(ledger)
    page = made(ledger)
    tags = Tags(page)
    loading = [item for item in tags.attributes if item[0] in ("src", "href", "action", "srcset", "data")]
    assert loading == []
    assert not re.search(r"url\((?!#)", page)
    policy = next(value for name, value in tags.attributes if value.startswith("default-src"))
    digest = base64.b64encode(hashlib.sha256(tags.scripts[0].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


# -- it says what is known, and what is not -----------------------------------------------------


def test_an_unaudited_run_is_not_called_verified(ledger: Ledger) -> None:
    record(ledger)
    report = gather(ledger, RUN, 0)
    assert verdict_of(report)[0] is Verdict.NOT_COVERED
    page = build(report)
    assert "not audited</div>" in page
    assert "6 intervals (60 steps per rank): no audit has drawn them" in page


def test_a_partly_audited_run_is_verified_in_part_only(ledger: Ledger) -> None:
    record(ledger)
    audit(ledger, "verified", [[0, 10, "verified", ""], [20, 30, "verified", ""]])
    page = made(ledger)
    assert "verified in 2 of 6 intervals" in page
    assert "4 intervals (40 steps per rank): no audit has drawn them" in page


def test_a_clean_audit_does_not_hide_a_violated_interval(ledger: Ledger) -> None:
    record(ledger)
    audit(ledger, "violated", [[20, 30, "violated", "differs"]])
    audit(ledger, "verified", [[20, 30, "verified", ""]])
    report = gather(ledger, RUN, 0)
    assert verdict_of(report)[0] is Verdict.VIOLATED
    plan = make_plan(load(ledger, RUN))
    judged, unreadable = judgements(ledger, overview(ledger, RUN, 0).audits)
    assert unreadable == []
    found = {span.start: span.standing for span in spans(plan.intervals, judged)}
    assert found == {0: Standing.UNAUDITED, 20: Standing.VIOLATED, 30: Standing.UNAUDITED}


def test_standings_differ_by_more_than_colour(ledger: Ledger) -> None:
    record(ledger)
    judged: list[list[Json]] = [
        [0, 10, "verified", ""], [10, 20, "violated", "x"], [20, 30, "unverified", "y"]
    ]  # fmt: skip
    audit(ledger, "violated", judged)
    page = made(ledger)
    for name in ("ok", "bad", "unsure", "none"):
        assert f'fill="url(#p-{name})"' in page
        assert f'<pattern id="p-{name}"' in page
    for word in ("verified", "violated", "unverified", "not audited"):
        assert f"</svg>{word}</span>" in page


def test_an_audit_whose_details_are_gone_verifies_nothing(ledger: Ledger) -> None:
    record(ledger)
    details = "blake3:" + "ab" * 32
    body: dict[str, Json] = {"verdict": "verified", "objects": {"details": details}}
    ledger.append(Draft("audit.done", body, RUN))
    report = gather(ledger, RUN, 0)
    assert verdict_of(report)[0] is Verdict.UNVERIFIED
    assert "audit of entry " in build(report)


def test_a_tampered_log_is_the_verdict(ledger: Ledger) -> None:
    record(ledger)
    log = next((ledger.path / "runs").rglob("00000001.jsonl"))
    log.write_bytes(log.read_bytes().replace(b'"loss":1.0', b'"loss":9.0', 1))
    report = gather(ledger, RUN, 0)
    assert verdict_of(report)[0] is Verdict.VIOLATED
    page = build(report)
    assert "not what was sealed" in page
    assert "00000001.jsonl" in page


def test_gaps_files_and_findings_are_listed(ledger: Ledger) -> None:
    record(ledger)
    finding(ledger, "something-odd")
    page = made(ledger)
    assert "train.py (rank 0): train.py" in page
    assert "after 30 steps: train.py" in page
    assert page.count("something-odd") >= 5


# -- its charts keep what matters ---------------------------------------------------------------


def test_thinning_keeps_every_peak_that_a_pixel_could_show() -> None:
    rng = random.Random(1)
    points = [(step, rng.gauss(0, 1)) for step in range(50_000)]
    points[31_415] = (31_415, 1e6)
    points[27_182] = (27_182, -1e6)
    kept = thin(points)
    assert len(kept) <= MAX_POINTS
    assert (31_415, 1e6) in kept
    assert (27_182, -1e6) in kept
    assert kept == sorted(kept)


def test_a_loss_that_is_not_a_number_is_shown_as_such(ledger: Ledger) -> None:
    record(ledger, losses={7: float("nan"), 8: float("inf")})
    page = made(ledger)
    assert "2 values not finite" in page
    assert "step 7: not a finite number" in page
    series = re.findall(r'data-series="([^"]*)"', page)
    assert len(series) == 3
    for each in series:
        json.loads(each.replace("&quot;", '"'))


def test_many_ranks_become_a_range(ledger: Ledger) -> None:
    record(ledger, steps=5, ranks=MAX_CURVES + 2)
    loss = quantities(load(ledger, RUN))[0]
    assert loss.curves == MAX_CURVES + 2
    assert [each.name for each in loss.series] == ["highest of all", "median", "lowest of all"]


def test_a_mismatch_is_drawn_and_measured(ledger: Ledger) -> None:
    record(ledger)
    finding(ledger, "fc1.weight")
    page = made(ledger)
    assert "differs by 2 x the true update; cosine -1.00: reversed (from 3 sampled coordinates" in page
    # Two of the three are numbers; both lie across the line of equal ones, at the ends of the other one.
    assert re.findall(r'<circle class="dot" cx="([0-9.]+)" cy="([0-9.]+)"', page) == [
        ("34.0", "34.0"), ("178.0", "178.0"),
    ]  # fmt: skip


@pytest.mark.parametrize("measured", [None, 3, {}, {"of": "update"}, MEASURED | {"recorded": [None]}])
def test_a_measure_that_cannot_be_read_is_left_out(ledger: Ledger, measured: Json) -> None:
    record(ledger)
    body: dict[str, Json] = {"rule": "RPL001", "summary": "a", "evidence": {"measured": measured}}
    ledger.append(Draft("finding.raised", body, RUN))
    assert "close up" not in made(ledger)


def test_the_room_and_what_was_taken_as_recorded_are_told(ledger: Ledger) -> None:
    record(ledger)
    details = ledger.objects.put(encode({"judged": []}))
    conditions: dict[str, Json] = {"batches": {"checked": 7, "its tape is missing": 2}}
    body: dict[str, Json] = {
        "verdict": "verified", "coverage": {"in_noise": 4, "conditions": conditions},
        "room": {"network": "none"}, "objects": {"details": details},
    }  # fmt: skip
    ledger.append(Draft("audit.done", body, RUN))
    page = made(ledger)
    assert "7 steps: checked, 2 steps: its tape is missing" in page
    assert "4 steps within rounding noise only, not bit for bit" in page
    assert "<dt>network</dt><dd>none</dd>" in page


def test_a_run_without_steps_has_a_report_too(ledger: Ledger) -> None:
    record(ledger, steps=0)
    assert "No step of this run can be shown" in made(ledger)


def test_ten_thousand_steps_take_less_than_two_seconds(ledger: Ledger) -> None:
    record(ledger, steps=10_000, every=100)
    audit(ledger, "verified", [[n * 100, n * 100 + 100, "verified", ""] for n in range(0, 100, 2)])
    report = gather(ledger, RUN, 0)
    began = time.perf_counter()
    page = build(report)
    assert time.perf_counter() - began < 2
    assert len(page) < 2_000_000
