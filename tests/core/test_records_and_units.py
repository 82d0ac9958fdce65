"""Lines keep their order, sampled blocks are what their seed says, and JSON means one thing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.canonical import decode, decode_object, encode
from veristep.core.records import Chain, ChainReader, StepRecord, UnitsDigest
from veristep.core.units import UNIT_BYTES, Cut, order
from veristep.core.verdicts import Verdict, combine
from veristep.errors import MalformedError

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_canonical_json_comes_back_and_has_one_form(value: object) -> None:
    data = encode(value)  # type: ignore[arg-type]
    assert encode(decode(data)) == data


@pytest.mark.parametrize("data", [b'{"a":1,"a":2}', b"[NaN]", b"\xff", b"[" * 100_000, b""])
def test_json_that_could_mean_two_things_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(data)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_a_dropped_doubled_or_changed_line_shows(numbers: list[int], data: st.DataObject) -> None:
    chain = Chain()
    lines = [chain.line({"stream": "0", "n": number}) for number in numbers]
    reader = ChainReader()
    assert [reader.accept(line)[1] for line in lines] == [0] * len(lines)
    place = data.draw(st.integers(0, len(lines) - 1))
    with pytest.raises(MalformedError):
        reader.accept(lines[place])
    changed = [*lines]
    changed[place] = changed[place].replace(b'"n":', b'"m":')
    if place + 1 < len(lines):
        fresh = ChainReader()
        with pytest.raises(MalformedError):
            for line in changed:
                fresh.accept(line)
        gaps = ChainReader()
        assert sum(gaps.accept(line)[1] for line in lines[:place] + lines[place + 1 :]) == 1


@given(st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_an_order_visits_every_block_once(total: int, seed: int) -> None:
    assert sorted(order(total, seed)) == list(range(total))


@given(st.lists(st.integers(0, 5 * UNIT_BYTES), max_size=12))
def test_units_cover_every_byte_once_and_in_order(sizes: list[int]) -> None:
    cut = Cut(sizes)
    units = [cut[number] for number in range(len(cut))]
    for index, size in enumerate(sizes):
        mine = [unit for unit in units if unit.tensor == index]
        assert [unit.start for unit in mine] == list(range(0, max(size, 1), UNIT_BYTES))
        assert mine[-1].stop == size
        assert all(unit.whole == (len(mine) == 1) for unit in mine)
    with pytest.raises(IndexError):
        cut[len(cut)]


def step() -> StepRecord:
    digest = UnitsDigest("ab" * 32, 3, 4, 17)
    return StepRecord(
        stream="0", step=3, optimizer=0, began_ns=1, ended_ns=2, boundary="forward", entry=None,
        batch="cd", rng="ef", hyper=({"lr": 0.1},), grads=digest, params=digest, forwards=1, skipped=0,
        yields={"0": 4}, consumed={"0": 3}, loss=1.5, grad_norm=None, tape=("0/0.tape", 0, 10, "aa"),
    )  # fmt: skip


def test_a_step_record_comes_back_from_its_line() -> None:
    assert StepRecord.from_json(decode_object(encode(step().to_json()))) == step()


@given(st.sampled_from(sorted(step().to_json())), values)
def test_a_step_record_with_a_foreign_field_is_refused_or_read_never_a_crash(
    key: str, value: object
) -> None:
    line = json.loads(json.dumps(step().to_json())) | {key: value}
    try:
        StepRecord.from_json(line)
    except MalformedError:
        return


def test_one_violated_part_violates_the_whole_and_nothing_is_never_fine() -> None:
    assert combine([]) is Verdict.NOT_COVERED
    assert combine([Verdict.VERIFIED, Verdict.NOT_COVERED]) is Verdict.VERIFIED
    assert combine([Verdict.VERIFIED, Verdict.UNVERIFIED]) is Verdict.UNVERIFIED
    assert combine(Verdict) is Verdict.VIOLATED


@pytest.mark.parametrize("name", ["", "abc", "0.x", "-1", "0/../1", "1" * 40, "0\n"])
def test_a_stream_with_a_name_that_means_nothing_is_refused(name: str) -> None:
    line = Chain().line({"stream": name, "type": "step"})
    with pytest.raises(MalformedError, match="not the name of a stream"):
        ChainReader().accept(line)
