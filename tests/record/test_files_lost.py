"""What a training process does to its own files: renamed and deleted ones are told, and nothing else is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from veristep.core.canonical import Json
from veristep.ledger.objects import ObjectStore
from veristep.record.files import FileWatch, audit_hook
from veristep.record.reads import ReadNotes


class Stream:
    steps = 7

    def __init__(self) -> None:
        self.lines: list[dict[str, Json]] = []

    def line(self, body: dict[str, Json]) -> None:
        self.lines.append(body)

    def job(self, job: Callable[[], None]) -> None:
        job()


class Process:
    """A watch that is told by hand what the interpreter would tell."""

    def __init__(self, folder: Path) -> None:
        self.stream = Stream()
        self.folder = folder
        self.notes = folder / "notes"
        self.watch = FileWatch(lambda: self.stream, ObjectStore(folder / "objects"), (str(folder),), ())
        self.tell = audit_hook(self.watch, ReadNotes(self.notes, ()))

    def write(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        self.tell("open", (str(path), "wb", 0))
        path.write_bytes(b"x")
        return path

    def settled(self) -> list[tuple[str, str]]:
        self.watch.settle(everything=True)
        found = [(str(each["type"]), Path(str(each["path"])).name) for each in self.stream.lines]
        self.stream.lines.clear()
        return sorted(found)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


def test_a_file_that_is_renamed_into_place_is_an_artifact_under_its_last_name(process: Process) -> None:
    path = process.write("model.tmp")
    process.watch.wrote(str(path))
    assert process.settled() == [("artifact", "model.tmp")]
    process.tell("os.rename", (str(path), str(path.with_suffix(".pt")), -1, -1))
    path.rename(path.with_suffix(".pt"))
    assert process.settled() == [("artifact", "model.pt"), ("removed", "model.tmp")]


def test_a_folder_that_is_renamed_takes_its_files_along(process: Process) -> None:
    path = process.write("staging/model.pt")
    process.watch.wrote(str(path))
    process.settled()
    process.tell("os.rename", (str(path.parent), str(process.folder / "final"), -1, -1))
    path.parent.rename(process.folder / "final")
    process.watch.settle(everything=True)
    lines = {str(each["type"]): each for each in process.stream.lines}
    assert lines["artifact"]["path"] == str(process.folder / "final" / "model.pt")
    assert lines["removed"]["to"] == lines["artifact"]["path"]


def test_deleted_files_and_folders_are_told_with_the_step(process: Process) -> None:
    first, second = process.write("a.pt"), process.write("old/b.pt")
    process.settled()
    process.tell("os.remove", (str(first), -1))
    first.unlink()
    process.tell("shutil.rmtree", (str(second.parent), None))
    shutil.rmtree(second.parent)
    process.watch.settle(everything=True)
    told = {Path(str(each["path"])).name: each for each in process.stream.lines}
    assert told["a.pt"]["step"] == 7
    assert told["old"]["folder"] is True


def test_what_did_not_happen_and_passing_files_are_not_told(process: Process) -> None:
    kept, passing = process.write("kept.pt"), process.write("passing.tmp")
    process.tell("os.remove", (str(passing), -1))
    passing.unlink()
    process.tell("os.remove", (str(kept), -1))
    assert process.settled() == [("artifact", "kept.pt")]
    # A name relative to an open folder says nothing about the working directory.
    process.tell("os.remove", ("kept.pt", 5))
    kept.rename(process.folder / "elsewhere")
    assert process.settled() == []


def test_what_is_read_to_be_preserved_is_not_noted_as_read_by_the_run(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = process.folder / "resumed.pt"
    path.write_bytes(b"x")
    os.utime(path, (1, 1))
    real = ObjectStore.put_file

    def put_file(store: ObjectStore, place: Path) -> str:
        process.tell("open", (str(place), "rb", 0))
        return real(store, place)

    monkeypatch.setattr(ObjectStore, "put_file", put_file)
    process.tell("open", (str(path), "wb", 0))
    assert not process.notes.exists()
    assert [each["type"] for each in process.stream.lines] == ["preserved"]
