"""An archive that shows one thing to a scanner and another to its loader is told."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome, Sort

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "a.pt"
    torch.save({"w": torch.arange(5)}, path)
    return path


def _sorts(scanner: Scanner, path: Path) -> set[Sort]:
    return {each.sort for each in scanner.scan(path).seen if each.outcome is Outcome.DENY}


def test_a_second_member_of_the_same_name(scanner: Scanner, checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint, "a") as archive:
        archive.writestr("a/data.pkl", b"cos\nsystem\n(S'x'\ntR.")
    assert _sorts(scanner, checkpoint) >= {Sort.CONTAINER, Sort.CODE}


def test_a_member_that_differs_in_case_only(scanner: Scanner, checkpoint: Path) -> None:
    with zipfile.ZipFile(checkpoint, "a") as archive:
        archive.writestr("A/DATA.pkl", b"N.")
    assert Sort.CONTAINER in _sorts(scanner, checkpoint)


def test_a_directory_that_lies_about_a_header(scanner: Scanner, checkpoint: Path) -> None:
    data = bytearray(checkpoint.read_bytes())
    at = data.find(b"PK\x03\x04")
    data[at + 30] ^= 1  # the first letter of the name, before the member
    checkpoint.write_bytes(data)
    assert Sort.CONTAINER in _sorts(scanner, checkpoint)


def test_a_checksum_that_is_wrong(scanner: Scanner, checkpoint: Path) -> None:
    data = bytearray(checkpoint.read_bytes())
    at = data.find(b"ctorch._utils")
    data[at + 2] ^= 1
    checkpoint.write_bytes(data)
    assert Sort.CONTAINER in _sorts(scanner, checkpoint)


def test_a_pickle_before_an_archive_and_one_after(
    scanner: Scanner, checkpoint: Path, tmp_path: Path
) -> None:
    archive = checkpoint.read_bytes()
    before = tmp_path / "before.pt"
    before.write_bytes(b"\x80\x02cos\nsystem\nX\x01\0\0\0x\x85R." + archive)
    assert _sorts(scanner, before) >= {Sort.CONTAINER, Sort.CODE}
    after = tmp_path / "after.pt"
    after.write_bytes(archive + b"\x80\x02cos\nsystem\nX\x01\0\0\0x\x85R.")
    assert Sort.CONTAINER in _sorts(scanner, after)


def test_a_payload_in_an_archive_in_an_archive(
    scanner: Scanner, tmp_path: Path, payload: Any, mark: Path
) -> None:
    torch.save(payload, tmp_path / "inner.pt")
    data = (tmp_path / "inner.pt").read_bytes()
    for _ in range(3):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weights.dat", data)
        data = buffer.getvalue()
    (tmp_path / "a.zip").write_bytes(data)
    report = scanner.scan(tmp_path / "a.zip")
    code = next(each for each in report.seen if each.sort is Sort.CODE)
    assert code.place.startswith("weights.dat/weights.dat/weights.dat/")
    assert not mark.exists()


def test_a_zip_bomb_is_unknown(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(13):
            archive.writestr(str(number), b"\0" * (22 << 20))
    report = scanner.scan(path)
    assert report.outcome is Outcome.UNKNOWN
    assert any(each.sort is Sort.LIMIT for each in report.seen)


def test_a_member_that_unpacks_to_more_than_it_says(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"\0" * 100_000)
    data = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.find(signature) + at, 10)
    path.write_bytes(data)
    assert Sort.CONTAINER in _sorts(scanner, path)


def test_members_that_would_leave_the_folder(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../x", b"text")
    assert Sort.ESCAPE in _sorts(scanner, path)


def test_what_is_no_file_is_said_and_never_waited_for(scanner: Scanner, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "loop").symlink_to("loop")
    for path in (pipe, tmp_path, tmp_path / "loop", tmp_path / "gone", Path("/dev/zero")):
        report = scanner.scan(path)
        assert report.outcome is Outcome.UNKNOWN, path
        assert report.seen[0].sort is Sort.UNSCANNED


def test_torchscript_that_writes_a_file(scanner: Scanner, tmp_path: Path) -> None:
    class Saves(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.save(x, "/tmp/x")
            return x

    class Plain(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x) + 1

    with pytest.MonkeyPatch.context():
        import warnings

        warnings.simplefilter("ignore")
        torch.jit.script(Saves()).save(str(tmp_path / "saves.pt"))  # type: ignore[no-untyped-call]
        torch.jit.script(Plain()).save(str(tmp_path / "plain.pt"))  # type: ignore[no-untyped-call]
    assert Sort.SCRIPT in _sorts(scanner, tmp_path / "saves.pt")
    assert scanner.scan(tmp_path / "plain.pt").outcome is Outcome.ALLOW


def test_a_file_that_changes_while_it_is_scanned_does_not_pass(
    scanner: Scanner, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = scanner._ask

    def slow(path: Path, descriptor: int, size: int) -> Any:
        report = ask(path, descriptor, size)
        with path.open("ab") as file:
            file.write(b"more")
        return report

    monkeypatch.setattr(scanner, "_ask", slow)
    report = scanner.scan(checkpoint)
    assert report.outcome is Outcome.UNKNOWN
    assert "changed while" in report.seen[-1].text
