"""fsck: whatever is edited, deleted, reordered or cut, anywhere in the folder, is reported."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veristep.core import merkle
from veristep.errors import NotFoundError
from veristep.ledger import checkpoints, notes
from veristep.ledger.entries import Draft
from veristep.ledger.fsck import FsckReport, fsck
from veristep.ledger.log import Ledger
from veristep.ledger.runlog import RunKey, RunLogWriter

UNSEALED = "runs/run-1/log/00000003.jsonl"


def build(path: Path, *, steps: int = 262) -> Path:
    """Build the ledger at `path`: a full tile and a rest, two runs, objects, openings."""
    key = RunKey.generate()
    with Ledger.init(path) as ledger:
        name = ledger.objects.put(b"a snapshot" * 100)
        secret = {"user": "someone", "run_key": key.public_hex, "objects": [name]}
        opened = Draft("run.opened", secret, "run-1", "vision", frozenset({"user"}))
        ledger.append(opened, Draft("run.opened", {"plain": True}, "run-2", "speech"))
        writer = RunLogWriter(ledger.run_dir("run-1") / "log", "run-1", key)
        for number in range(2):
            for step in range(3):
                writer.append(b'{"segment":%d,"step":%d}' % (number, step))
            segment = writer.seal()
            assert segment is not None
            ledger.append(Draft("segment.sealed", {"segment": segment.to_json()}, "run-1", "vision"))
        writer.append(b'{"step":"not sealed yet"}')
        writer.close()
        ledger.append(*[Draft("step", {"i": i}, "run-2", "speech") for i in range(steps)])
        ledger.append(Draft("note", {"a": "x", "b": 1.5}, sensitive=frozenset({"a", "b"})))
        ledger.erase(ledger.size() - 1, "a")
    return path


def files(path: Path) -> list[Path]:
    """Return the files whose every byte counts."""
    found = [item for item in sorted(path.rglob("*")) if item.is_file()]
    return [item for item in found if item.relative_to(path).as_posix() != UNSEALED]


def dump(path: Path) -> list[object]:
    """Return everything the database says, read without its indexes."""
    connection = sqlite3.connect(f"file:{path / 'ledger.db'}?immutable=1", uri=True)
    connection.text_factory = bytes
    try:
        schema = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        names = [row[1].decode() for row in schema if row[0] == b"table"]
        rows = [connection.execute(f"SELECT * FROM {n} NOT INDEXED").fetchall() for n in names]
        return [schema, rows]
    finally:
        connection.close()


if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One ledger for all tests of this file; who changes it in place puts it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("sample-state")))
        yield build(tmp_path_factory.mktemp("sample") / "l")


@pytest.fixture
def ledger(sample: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sample, tmp_path / "l"))


def settle(path: Path) -> None:
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (path / name).unlink(missing_ok=True)


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path / "ledger.db")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def says(report: FsckReport, what: str, where: str = "") -> bool:
    return any(what in p.what and where in p.where for p in report.problems)


def test_a_sound_ledger_has_no_problems_and_says_what_was_checked(sample: Path) -> None:
    report = fsck(sample)
    assert report.problems == ()
    assert report.checked["entries"] == 268
    assert report.checked["segments"] == 2
    assert report.checked["lines"] == 6
    assert report.checked["objects"] == 1
    assert report.checked["openings"] == 2
    assert any("1 lines, not sealed yet" in line for line in report.not_checked)
    assert any("erased" in line for line in report.not_checked)
    with pytest.raises(NotFoundError):
        fsck(sample / "missing")


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_flipped_bit_in_any_file_is_reported(sample: Path, data: st.DataObject) -> None:
    settle(sample)
    path = data.draw(st.sampled_from(files(sample)))
    position = data.draw(st.integers(0, path.stat().st_size * 8 - 1))
    before = dump(sample)
    original = path.read_bytes()
    broken = bytearray(original)
    broken[position // 8] ^= 1 << position % 8
    path.write_bytes(broken)
    try:
        problems = fsck(sample).problems
        settle(sample)
        # Bits of SQLite's free space and bookkeeping say nothing; all others must be reported.
        if not problems:
            assert path.name == "ledger.db"
            assert dump(sample) == before
    finally:
        path.write_bytes(original)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_file_deleted_cut_or_grown_is_reported(sample: Path, data: st.DataObject) -> None:
    settle(sample)
    path = data.draw(st.sampled_from(files(sample)))
    original, mode = path.read_bytes(), path.stat().st_mode
    action = data.draw(st.sampled_from(["delete", "cut", "grow", "garbage"]))
    if action == "delete":
        path.unlink()
    elif action == "cut":
        path.write_bytes(original[: data.draw(st.integers(0, len(original) - 1))])
    elif action == "grow" and path.name != "ledger.db":  # SQLite ignores what is behind its pages
        path.write_bytes(original + b"\n")
    else:
        path.write_bytes(data.draw(st.binary(max_size=100)))
    try:
        assert fsck(sample).problems
    finally:
        settle(sample)
        path.write_bytes(original)
        path.chmod(mode)


@pytest.mark.parametrize(
    ("statement", "what", "where"),
    [
        ("DELETE FROM entry WHERE idx = 7", "entries are missing", "entry 8"),
        ("DELETE FROM entry WHERE idx = 267", "not those of the latest checkpoint", "entry"),
        ("DELETE FROM checkpoint WHERE seq = 2", "checkpoint is missing", "checkpoint 3"),
        ("DELETE FROM checkpoint", "no checkpoint", "checkpoint"),
        (
            "UPDATE entry SET kind = 'x' WHERE idx = 3",
            "kind and run are not the header's",
            "entry 3",
        ),
        (
            "UPDATE entry SET run = 'x' WHERE idx = 3",
            "kind and run are not the header's",
            "entry 3",
        ),
        ("UPDATE entry SET body = x'7b7d' WHERE idx = 3", "body is not the logged one", "entry 3"),
        ("UPDATE entry SET body = 'text' WHERE idx = 3", "not bytes", "entry 3"),
        ("UPDATE entry SET header = x'7b7d' WHERE idx = 3", "hash is not that", "entry 3"),
        ("DELETE FROM opening WHERE name = 'b'", "not logged as erased", "entry 266 opening 'b'"),
        ("UPDATE opening SET salt = zeroblob(32)", "is not the logged one", "opening 'user'"),
        ("UPDATE opening SET value = 5", "not bytes", "opening 'user'"),
        ("INSERT INTO opening VALUES (5, 'x', x'00', x'00')", "no commitment", "entry 5"),
        ("UPDATE project SET count = 1 WHERE name = 'vision'", "project's end", "project 'vision'"),
        ("UPDATE project SET name = 'x' WHERE name = 'vision'", "pseudonym", "project 'x'"),
        ("DELETE FROM project WHERE name = 'vision'", "name and salt are missing", "project"),
        ("UPDATE node SET hash = zeroblob(32)", "inner hash", "node 1/0"),
        ("DELETE FROM node", "inner hash", "node 1/0"),
        ("DELETE FROM meta", "signed copy of the format file is missing", "meta"),
        ("INSERT INTO meta VALUES ('x', 'y')", "does not belong here", "meta 'x'"),
        ("CREATE TABLE extra (a)", "does not belong here", "schema"),
        ("DROP INDEX entry_run", "is missing or changed", "schema"),
        ("DROP TABLE entry", "cannot be checked", "entry"),
        ("PRAGMA application_id = 1", "not a ledger's database", "ledger.db"),
    ],
)
def test_every_table_is_held_to_the_log(ledger: Path, statement: str, what: str, where: str) -> None:
    change(ledger, statement)
    report = fsck(ledger)
    assert says(report, what, where), report.problems


def test_reordered_entries_are_noticed(ledger: Path) -> None:
    change(
        ledger,
        "UPDATE entry SET idx = -1 WHERE idx = 10",
        "UPDATE entry SET idx = 10 WHERE idx = 11",
        "UPDATE entry SET idx = 11 WHERE idx = -1",
    )
    report = fsck(ledger)
    assert says(report, "does not follow the last one of its project", "entry 10")
    assert says(report, "not those that were signed", "checkpoint of 266 entries")
    assert says(report, "is not what the log holds", "tile/0/000")


def test_a_rewritten_history_needs_the_key(ledger: Path) -> None:
    """Someone who edits an entry and all that is derived from it is still short of a signature."""
    connection = sqlite3.connect(ledger / "ledger.db")
    header = connection.execute("SELECT header FROM entry WHERE idx = 267").fetchone()[0]
    header = header.replace(b'"field.erased"', b'"innocent.act"')
    leaf = merkle.leaf_hash(header)
    connection.execute(
        "UPDATE entry SET header = ?, hash = ?, kind = 'innocent.act' WHERE idx = 267",
        (header, leaf),
    )
    connection.execute("UPDATE project SET head = ? WHERE name = ''", (leaf.hex(),))
    connection.commit()
    assert says(fsck(ledger), "not those that were signed", "checkpoint of 268 entries")
    hashes = [row[0] for row in connection.execute("SELECT hash FROM entry ORDER BY idx")]
    note = connection.execute("SELECT note FROM checkpoint WHERE size = 268").fetchone()[0]
    signed = checkpoints.read(note)
    forged = checkpoints.Checkpoint(signed.origin, 268, merkle.root(hashes)).encode()
    note = note.replace(signed.encode(), forged)
    connection.execute("UPDATE checkpoint SET note = ? WHERE size = 268", (note,))
    connection.commit()
    assert says(fsck(ledger), "signature", "checkpoint of 268 entries")
    stranger = notes.SignerKey(signed.origin, b"\1" * 32)
    note = notes.sign(forged, stranger)
    connection.execute("UPDATE checkpoint SET note = ? WHERE size = 268", (note,))
    connection.commit()
    connection.close()
    assert says(fsck(ledger), "no known key signed", "checkpoint of 268 entries")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("objects", "objects/zz", "not the name of an object"),
        ("tile/0/000", "tile/0/001", "does not belong into the public log"),
        ("tile/0/000.p/5", "tile/0/000.p/6", "does not belong into the public log"),
        ("tile/0/000", "tile/junk", "does not belong into the public log"),
        ("runs/run-1/log/00000001.jsonl", "runs/run-1/log/00000009.jsonl", "no entry seals"),
        ("runs/run-1/log/00000001.jsonl", "runs/run-1/log/x.jsonl", "does not belong"),
    ],
)
def test_files_that_do_not_belong_are_reported(ledger: Path, old: str, new: str, what: str) -> None:
    source = ledger / old
    if source.is_dir():
        source = next(item for item in source.rglob("*") if item.is_file())
    (ledger / new).parent.mkdir(exist_ok=True)
    if not source.exists():
        source = ledger / "tile/0/000"
    shutil.copy(source, ledger / new)
    assert says(fsck(ledger), what, new)


def test_missing_and_swapped_run_log_files_are_reported(ledger: Path) -> None:
    log = ledger / "runs/run-1/log"
    first, second = log / "00000001.jsonl", log / "00000002.jsonl"
    first.rename(log / "kept")
    second.rename(first)
    (log / "kept").rename(second)
    report = fsck(ledger)
    assert says(report, "not what was sealed", first.name)
    assert says(report, "not what was sealed", second.name)
    shutil.rmtree(log)
    report = fsck(ledger)
    assert says(report, "was sealed and is gone", first.name)
    assert says(report, "was sealed and is gone", second.name)


def test_a_segment_of_a_stranger_is_reported(ledger: Path) -> None:
    with Ledger.open(ledger) as opened:
        (sealed, *_) = opened.entries(kind="segment.sealed")
        opened.append(
            Draft("segment.sealed", sealed.body, run="run-2"),
            Draft("segment.sealed", sealed.body, run="run-1"),
            Draft("run.opened", {"run_key": "0" * 64}, run="run-1"),
            Draft("segment.sealed", {}, run="run-1"),
        )
    report = fsck(ledger)
    assert says(report, "has no key", "entry 268")
    assert says(report, "segments are missing", "runs/run-1/log")
    assert says(report, "opened again with another key", "entry 270")
    assert says(report, "not a segment", "entry 271")


def test_an_object_that_a_run_log_names_has_to_be_there(ledger: Path) -> None:
    name = next(item.name for item in (ledger / "objects").rglob("*") if item.is_file())
    shutil.rmtree(ledger / "objects" / name[:2])
    report = fsck(ledger)
    assert says(report, f"the object blake3:{name} is missing", "entry 0")


def test_what_is_not_the_ledgers_is_named_not_judged(ledger: Path) -> None:
    (ledger / "index.db").write_text("another program's")
    (ledger / "runs/unknown").mkdir()
    (ledger / "objects/tmp").mkdir(exist_ok=True)
    (ledger / "objects/tmp/left").write_text("by a crash")
    report = fsck(ledger)
    assert report.problems == ()
    for name in ("index.db", "runs/unknown", "objects/tmp/left"):
        assert any(name in line for line in report.not_checked)


def test_pipes_and_links_do_not_stop_the_check(ledger: Path) -> None:
    (ledger / "tile/0/000").unlink()
    os.mkfifo(ledger / "tile/0/000")
    (ledger / "objects/00").mkdir(exist_ok=True)
    (ledger / "objects/00" / ("0" * 64)).symlink_to("/dev/zero")
    report = fsck(ledger)
    assert says(report, "missing from the public log", "tile/0/000")
    assert says(report, "does not lie where", "objects/00")


def test_a_ledger_in_use_is_checked_without_false_alarms(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        for n in range(20):
            ledger.append(*[Draft("note", {"n": n})] * 30)
            assert fsck(ledger.path).problems == ()


def test_thousands_of_problems_are_counted_and_not_listed(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        ledger.append(*[Draft("note", {"n": n}) for n in range(1100)])
    change(tmp_path / "l", "UPDATE entry SET kind = 'x'")
    report = fsck(tmp_path / "l")
    assert len(report.problems) == 1000
    assert any("more problems" in line for line in report.not_checked)
