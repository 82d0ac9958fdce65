"""Checking: what differs is found, by the right rule, down to its bytes and rows."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locked_data import CHUNK, Data
from veristep.core.sampling import chance_missed, sample_size
from veristep.core.verdicts import Verdict
from veristep.supervise.data import store
from veristep.supervise.data.check import CheckOptions, How, check
from veristep.supervise.data.source import LocalSource


def test_data_as_it_was_locked_is_verified_and_all_of_it_is_counted(data: Data) -> None:
    data.lock()
    result = data.check()
    assert result.verdict is Verdict.VERIFIED
    assert result.findings == ()
    files, chunks = result.coverage["files"], result.coverage["chunks"]
    assert (files.total, files.checked) == (5, 5)
    assert chunks.total == chunks.checked


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_bit_anywhere_in_the_data_is_found_in_its_chunk(
    data: Data, draw: st.DataObject
) -> None:
    if not list(data.ledger.entries(kind=store.LOCKED)):
        data.lock()
    path = data.folder / draw.draw(st.sampled_from(["shard-0.bin", "shard-2.bin", "labels/train.csv"]))
    before = path.read_bytes()
    bit = draw.draw(st.integers(0, 8 * len(before) - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        result = data.check()
    finally:
        path.write_bytes(before)
    (finding,) = result.findings
    assert (result.verdict, finding.rule) == (Verdict.VIOLATED, "DATA001")
    assert finding.evidence["path"] == str(path)
    start = bit // 8 // CHUNK * CHUNK
    assert finding.evidence["ranges"] == [[start, min(start + CHUNK, len(before))]]


def test_a_changed_label_is_shown_by_its_row(data: Data) -> None:
    data.lock()
    path = data.folder / "labels" / "train.csv"
    rows = path.read_text().splitlines(keepends=True)
    rows[1234] = "1234.png,6\n"
    path.write_text("".join(rows))
    (finding,) = data.check().findings
    assert finding.evidence["line"] == 1235
    assert finding.evidence["diff"] == ["- 1235: 1234.png,2", "+ 1235: 1234.png,6"]


def test_a_row_that_was_left_out_shows_as_that_one_row(data: Data) -> None:
    data.lock()
    path = data.folder / "labels" / "train.csv"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:700] + rows[701:]))
    (finding,) = data.check().findings
    assert finding.evidence["diff"] == ["- 701: 700.png,0"]


def test_missing_unknown_renamed_and_swapped_files_are_told_apart(data: Data) -> None:
    data.lock()
    folder = data.folder
    (folder / "empty").unlink()
    (folder / "extra.bin").write_bytes(b"extra")
    (folder / "shard-0.bin").rename(folder / "moved.bin")
    kept = (folder / "shard-1.bin").read_bytes()
    (folder / "shard-1.bin").write_bytes((folder / "shard-2.bin").read_bytes())
    (folder / "shard-2.bin").write_bytes(kept)
    result = data.check()
    found = {(each.rule, str(each.evidence["path"]).rpartition("/")[2]) for each in result.findings}
    assert found == {
        ("DATA002", "empty"),
        ("DATA002", "shard-0.bin"),
        ("DATA003", "shard-1.bin"),
        ("DATA003", "shard-2.bin"),
        ("DATA004", "extra.bin"),
        ("DATA004", "moved.bin"),
    }
    gone = next(each for each in result.findings if "shard-0" in str(each.evidence["path"]))
    assert "moved.bin has its content" in gone.summary
    assert result.coverage["files"].checked == 5


def test_a_file_of_another_size_says_both_sizes(data: Data) -> None:
    data.lock()
    path = data.folder / "shard-0.bin"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    (finding,) = data.check(How.QUICK).findings
    assert (finding.evidence["expected"], finding.evidence["got"]) == (
        f"{size} bytes",
        f"{size - 100} bytes",
    )


def test_a_quick_check_says_what_it_did_not_read(data: Data) -> None:
    data.lock()
    result = data.check(How.QUICK)
    assert result.verdict is Verdict.UNVERIFIED
    # The empty file has nothing to read.
    assert result.coverage["files"].checked == 1
    assert sum(result.coverage["files"].not_checked.values()) == 4


def test_a_sample_finds_what_it_drew_and_states_what_it_could_have_missed(data: Data) -> None:
    data.lock()
    locked = store.load(data.ledger, store.find(data.ledger, "set"))
    total = locked.manifest.chunks
    options = CheckOptions(How.SAMPLE, total // 2, changed=2, jobs=1)
    checked = check(locked, LocalSource(data.folder), options, rng=random.Random(1))
    assert checked.result.verdict is Verdict.UNVERIFIED
    assert checked.result.coverage["chunks"].checked == total // 2
    assert checked.missed == pytest.approx(chance_missed(total, total // 2, 2))
    every = check(locked, LocalSource(data.folder), CheckOptions(How.SAMPLE, total, jobs=1))
    assert (every.result.verdict, every.missed) == (Verdict.VERIFIED, None)


@given(st.integers(1, 60), st.data())
def test_the_chance_of_having_missed_is_the_hypergeometric_one(total: int, draw: st.DataObject) -> None:
    changed, seen = draw.draw(st.integers(0, total)), draw.draw(st.integers(0, total))
    exact = math.comb(total - changed, seen) / math.comb(total, seen) if total >= seen else 0.0
    assert chance_missed(total, seen, changed) == pytest.approx(exact, abs=1e-9)


@given(st.integers(1, 2000), st.integers(1, 20), st.sampled_from([0.5, 0.05, 0.001]))
def test_a_sample_for_a_risk_limit_is_as_small_as_can_be(total: int, changed: int, limit: float) -> None:
    size = sample_size(total, changed, limit)
    if changed <= total:
        assert chance_missed(total, size, changed) <= limit
        assert size == 0 or chance_missed(total, size - 1, changed) > limit
