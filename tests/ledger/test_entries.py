"""Entries: the leaf is public and small, the body committed to, the sensitive fields salted."""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core import canonical
from veristep.errors import MalformedError, TamperedError, UnsupportedVersionError, UsageError
from veristep.ledger import entries
from veristep.ledger.entries import Draft, Header, Opening

HEADER = Header("step", 1, "p" * 64, 0, "", "ed25519:" + "a" * 64, "run-1", "sha256:" + "b" * 64)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=8,
)


def salts(count: int) -> bytes:
    return b"\x11" * count


@given(st.dictionaries(st.text("abcdef", min_size=1), json_values, max_size=5), st.data())
def test_a_body_is_what_it_was_once_opened(body: dict[str, Any], data: st.DataObject) -> None:
    sensitive = data.draw(st.frozensets(st.sampled_from(sorted(body)))) if body else frozenset()
    prepared = entries.prepare(Draft("step", body, sensitive=sensitive))
    public = canonical.decode_object(prepared.body)
    assert set(entries.commitments(public)) >= sensitive
    assert entries.resolve(public, prepared.openings) == canonical.decode(canonical.encode(body))
    assert entries.resolve(public, []) == public


def test_the_bytes_of_commitments_and_headers_are_the_documented_ones() -> None:
    draft = Draft("step", {"user": "ü", "n": 1}, sensitive=frozenset({"user"}))
    prepared = entries.prepare(draft, salts)
    digest = hashlib.sha256(b"\x11" * 32 + b'"user"' + '"ü"'.encode()).hexdigest()
    assert prepared.body == b'{"n":1,"user":{"commitment":"sha256:%s"}}' % digest.encode()
    assert HEADER.encode() == (
        b'{"actor":"ed25519:%s","body":"sha256:%s","kind":"step","previous":"","project":"%s",'
        b'"run":"run-1","seq":0,"time":1,"v":1}' % (b"a" * 64, b"b" * 64, b"p" * 64)
    )
    name = hashlib.sha256(b"veristep/project/v1\n" + b"s" * 32 + b"vision").hexdigest()
    assert entries.pseudonym(b"s" * 32, "vision") == name


@given(st.integers(0))
def test_headers_round_trip_and_any_flipped_bit_is_noticed(position: int) -> None:
    data = HEADER.encode()
    assert entries.decode_header(data) == HEADER
    flipped = bytearray(data)
    flipped[position // 8 % len(data)] ^= 1 << position % 8
    with contextlib.suppress(MalformedError, UnsupportedVersionError):
        assert entries.decode_header(bytes(flipped)) != HEADER


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"v": 2}, UnsupportedVersionError),
        ({"seq": -1}, MalformedError),
        ({"time": 1.5}, MalformedError),
        ({"kind": None}, MalformedError),
        ({"extra": 1}, MalformedError),
    ],
)
def test_what_is_no_header_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        entries.decode_header(canonical.encode(canonical.decode_object(HEADER.encode()) | change))


def test_an_opening_of_another_value_or_field_is_noticed() -> None:
    prepared = entries.prepare(Draft("step", {"a": 1, "b": 1}, sensitive=frozenset("ab")), salts)
    public = canonical.decode_object(prepared.body)
    assert len(set(entries.commitments(public).values())) == 2
    for opening in (Opening("a", salts(32), b"2"), Opening("c", salts(32), b"1")):
        with pytest.raises(TamperedError):
            entries.resolve(public, [opening])


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "draft",
    [
        Draft("", {}),
        Draft("Not A Kind", {}),
        Draft("step", {}, run="../elsewhere"),
        Draft("step", {}, sensitive=frozenset({"missing"})),
        Draft("step", {"a": {"commitment": "sha256:" + "0" * 64}}),
        Draft("step", {"a": "x" * (1 << 20)}),
        Draft("step", {"a": "x" * (1 << 20)}, sensitive=frozenset({"a"})),
    ],
    ids=["no kind", "kind", "run", "missing", "commitment", "long", "long and sensitive"],
)
def test_bad_drafts_are_refused_with_a_reason(draft: Draft) -> None:
    with pytest.raises(UsageError):
        entries.prepare(draft)


@pytest.mark.parametrize(
    "value", [float("nan"), object(), "\ud800", deep()], ids=["nan", "object", "surrogate", "deep"]
)
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        entries.prepare(Draft("step", {"a": value}))


def test_a_long_body_is_told_where_to_go() -> None:
    with pytest.raises(UsageError) as caught:
        entries.prepare(Draft("step", {"a": "x" * (1 << 20)}))
    assert "object store" in caught.value.hint


def test_a_leaf_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="65535"):
        entries.encode_header(Header("k" * 65_536, 1, "", 0, "", "", "", ""))
