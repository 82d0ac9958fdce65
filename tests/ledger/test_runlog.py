"""The run log: sealed lines cannot be edited, dropped, reordered or passed off as another run's."""

from __future__ import annotations

import resource
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core import canonical, merkle
from veristep.errors import (
    MalformedError,
    StorageError,
    TamperedError,
    UnavailableError,
    UsageError,
    VeristepError,
)
from veristep.ledger.runlog import RunKey, RunLogWriter, Segment, read_lines, verify_segment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = RunKey.generate()
LINES = [b'{"step":%d}' % i for i in range(5)]


def sealed(directory: Path, lines: list[bytes] = LINES) -> Segment:
    writer = RunLogWriter(directory, "run-1", KEY)
    for line in lines:
        writer.append(line)
    segment = writer.seal()
    assert segment is not None
    return segment


def test_segments_follow_each_other_and_verify(tmp_path: Path) -> None:
    writer = RunLogWriter(tmp_path, "run-1", KEY)
    assert writer.seal() is None
    segments = []
    for _ in range(2):
        for line in LINES:
            writer.append(line)
        segment = writer.seal()
        assert segment is not None
        segments.append(segment)
    writer.append(b'{"tail":1}')
    first, second = segments
    assert (first.number, first.file, first.lines, first.previous) == (1, "00000001.jsonl", 5, "")
    assert second.previous == first.digest()
    assert first.root == merkle.root([merkle.leaf_hash(line) for line in LINES]).hex()
    assert verify_segment(tmp_path, first, KEY.public_hex, "") == LINES
    assert verify_segment(tmp_path, second, KEY.public_hex, first.digest()) == LINES
    assert list(read_lines(tmp_path)) == [*LINES, *LINES, b'{"tail":1}']
    for segment in segments:
        assert Segment.from_json(canonical.decode(canonical.encode(segment.to_json()))) == segment
    with pytest.raises(TamperedError, match="does not follow the one before it"):
        verify_segment(tmp_path, second, KEY.public_hex, "")
    with pytest.raises(TamperedError, match="not signed by the run's key"):
        verify_segment(tmp_path, first, RunKey.generate().public_hex, "")
    with pytest.raises(MalformedError, match="not an Ed25519 key"):
        verify_segment(tmp_path, first, "", "")
    writer.close()


@given(st.integers(0), st.integers(0, 7))
def test_any_flipped_bit_of_a_sealed_file_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, position: int, bit: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    segment = sealed(directory)
    path = directory / segment.file
    data = bytearray(path.read_bytes())
    data[position % len(data)] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises((TamperedError, MalformedError), match=segment.file):
        verify_segment(directory, segment, KEY.public_hex, "")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.replace(b'{"step":2}', b'{"step":7}'), "1-5: a line is not"),
        (lambda data: data.replace(b'{"step":2}', b'{"step:2"}'), ":3: a line is not"),
        (lambda data: data[:-11], "expected 5 lines, got 4"),
        (lambda data: data[:-3], ":5: the last line of a sealed file is cut short"),
        (lambda data: data + b"{}\n", "expected 5 lines, got 6"),
        (lambda data: data[11:22] + data[:11] + data[22:], "1-5: a line is not"),
        (lambda data: data.replace(b'{"step":2}', b'{"step":22}'), "expected 55 bytes, got 56"),
        (lambda _: b"", "the last line of a sealed file is cut short|expected 5 lines"),
    ],
    ids=["edit", "not JSON", "truncate", "cut", "append", "reorder", "grow", "empty"],
)
def test_what_was_done_to_a_file_is_said(
    tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    segment = sealed(tmp_path)
    path = tmp_path / segment.file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(VeristepError, match=says) as caught:
        verify_segment(tmp_path, segment, KEY.public_hex, "")
    assert str(path) in caught.value.message


def test_a_deleted_sealed_file_is_tampering(tmp_path: Path) -> None:
    segment = sealed(tmp_path)
    (tmp_path / segment.file).unlink()
    with pytest.raises(TamperedError, match=f"{segment.file} was sealed and is gone"):
        verify_segment(tmp_path, segment, KEY.public_hex, "")


@pytest.mark.parametrize("change", [{"lines": 4}, {"size": 9}, {"root": "0" * 64}, {"number": 2}])
def test_a_statement_the_run_did_not_sign_is_noticed(tmp_path: Path, change: dict[str, Any]) -> None:
    segment = replace(sealed(tmp_path), **change)
    with pytest.raises(TamperedError, match="not signed"):
        verify_segment(tmp_path, segment, KEY.public_hex, "")


@pytest.mark.parametrize(
    "change",
    [
        {"number": 0},
        {"number": True},
        {"file": "../../etc/passwd"},
        {"file": "00000002.jsonl"},
        {"root": "xyz"},
        {"signature": ""},
        {"previous": None},
        {"more": 1},
    ],
)
def test_what_is_no_segment_is_malformed(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        Segment.from_json(sealed(tmp_path).to_json() | change)
    with pytest.raises(MalformedError):
        Segment.from_json(None)


@pytest.mark.parametrize("line", [b"", b"a\nb", b"\n"])
def test_a_record_is_one_line(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(UsageError):
        RunLogWriter(tmp_path, "run-1", KEY).append(line)


def test_a_log_is_not_written_over(tmp_path: Path) -> None:
    sealed(tmp_path)
    with pytest.raises(UsageError, match="already holds a log of the run run-1"):
        RunLogWriter(tmp_path, "run-1", KEY)


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    segment = sealed(tmp_path)
    (tmp_path / "00000002.jsonl").write_bytes(b'{"whole":1}\n{"ha')
    assert list(read_lines(tmp_path)) == [*LINES, b'{"whole":1}']
    assert segment.lines == 5
    with pytest.raises(UnavailableError):
        list(read_lines(tmp_path / "missing"))


def test_a_full_disk_takes_back_the_half_line_and_the_log_goes_on(tmp_path: Path) -> None:
    writer = RunLogWriter(tmp_path, "run-1", KEY)
    writer.append(b'{"a":1}')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        with pytest.raises(StorageError, match="run-1") as caught:
            writer.append(b'{"b":"too long for this disk"}')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint
    writer.append(b'{"c":3}')
    segment = writer.seal()
    assert segment is not None
    assert verify_segment(tmp_path, segment, KEY.public_hex, "") == [b'{"a":1}', b'{"c":3}']


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="run-1"):
        RunLogWriter(tmp_path / "file" / "log", "run-1", KEY)
