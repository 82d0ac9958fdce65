"""zstd and lz4: looked into where a package can unpack them, and never allowed where none can."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from veristep.scan import unpackers
from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome


def _packed(kind: str, data: bytes) -> bytes:
    module: Any = pytest.importorskip("zstandard" if kind == "zstd" else "lz4.frame")
    return bytes(module.compress(data))


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
@pytest.mark.parametrize("twice", [False, True])
def test_a_payload_in_it_is_found_and_an_ordinary_file_in_it_passes(
    kind: str, twice: bool, payload: object, tmp_path: Path
) -> None:
    for name, value, expected in (("bad", payload, Outcome.DENY), ("good", {"a": 1}, Outcome.ALLOW)):
        data = _packed(kind, pickle.dumps(value))
        place = tmp_path / f"{name}.pkl.{kind}"
        place.write_bytes(_packed(kind, data) if twice else data)
        with Scanner() as scanner:
            assert scanner.scan(place).outcome is expected


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_what_is_damaged_cut_off_followed_or_huge_is_not_allowed(kind: str, tmp_path: Path) -> None:
    data = _packed(kind, pickle.dumps(list(range(1000))))
    bomb = _packed(kind, bytes(600 << 20)) if kind == "zstd" else _packed(kind, bytes(300 << 20))
    with Scanner() as scanner:
        for name, content in (
            ("cut", data[:-9]),
            ("followed", data + b"\x80\x04N."),
            ("changed", data[:20] + bytes([data[20] ^ 255]) + data[21:]),
            ("bomb", bomb),
        ):
            place = tmp_path / name
            place.write_bytes(content)
            assert scanner.scan(place).outcome is not Outcome.ALLOW, name


@pytest.mark.parametrize("magic", [b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"])
def test_without_a_package_it_is_unknown_and_the_report_says_what_to_install(
    magic: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpackers, "offered", lambda _kind: None)
    place = tmp_path / "a"
    place.write_bytes(magic + bytes(20))
    with Scanner() as scanner:
        report = scanner.scan(place)
    assert report.outcome is Outcome.UNKNOWN
    assert "veristep[scan]" in report.seen[0].text
