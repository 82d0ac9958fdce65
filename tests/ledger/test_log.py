"""The log: what is accepted stays, in order, provable, readable by any C2SP client."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from veristep.core import merkle
from veristep.errors import (
    MalformedError,
    NotFoundError,
    TamperedError,
    UnavailableError,
    UnsupportedVersionError,
    UsageError,
)
from veristep.ledger import checkpoints, layout, notes, publish, tiles
from veristep.ledger.entries import Draft
from veristep.ledger.fsck import fsck
from veristep.ledger.log import Ledger, default_path


def step(number: int, run: str = "run-1") -> Draft:
    return Draft("step", {"i": number}, run=run, project="vision")


def public_entries(path: Path) -> tuple[checkpoints.Checkpoint, list[bytes]]:
    """Read the public files as a C2SP client does: checkpoint, then bundles and tiles."""
    key = notes.parse_vkey((path / "ledger.vkey").read_text().strip())
    checkpoint = checkpoints.open_checkpoint((path / "checkpoint").read_bytes(), key)
    wanted = [*tiles.full_tiles(checkpoint.size), *tiles.partial_tiles(checkpoint.size)]
    entries: list[bytes] = []
    for tile in wanted:
        data = (path / tile.path).read_bytes()
        if tile.level is None:
            entries += tiles.decode_bundle(data)
        else:
            assert len(tiles.decode_tile(data)) == tile.width
    return checkpoint, entries


def test_what_is_appended_can_be_read_in_order_by_run_and_kind(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        first = ledger.append(Draft("run.opened", {"n": 1}, run="run-1", project="vision"))
        rest = ledger.append(*[step(i, f"run-{i % 2}") for i in range(600)])
        assert [r.index for r in first + rest] == list(range(601)) == [*range(ledger.size())]
        assert [e.index for e in ledger.entries()] == list(range(601))
        assert [e.body["i"] for e in ledger.entries(run="run-1", kind="step")] == [*range(1, 600, 2)]
        assert [e.index for e in ledger.entries(since=599)] == [599, 600]
        entries = list(ledger.entries())
        assert [e.project_seq for e in entries] == list(range(601))
        assert [e.project_previous for e in entries[1:]] == [r.leaf_hash for r in (first + rest)[:-1]]
        assert len({e.project for e in entries}) == 1
        assert "vision" not in entries[0].project
        assert ledger.append() == []
    with Ledger.open(tmp_path / "l") as again:
        assert list(again.entries()) == entries
        assert again.append(step(7))[0].index == 601


def test_sensitive_fields_are_not_in_the_public_log_nor_in_the_body(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.init(path) as ledger:
        draft = Draft("run.opened", {"user": "mallory", "n": 1}, sensitive=frozenset({"user"}))
        ledger.append(draft)
        assert next(ledger.entries()).body == {"user": "mallory", "n": 1}
        ledger.erase(0, "user")
        entry, erased = ledger.entries()
        assert str(entry.body["user"]).startswith("{'commitment': 'sha256:")
        assert erased.kind == "field.erased"
        assert erased.body == {"entry": 0, "field": "user"}
        with pytest.raises(UsageError, match="no value of 'user'"):
            ledger.erase(0, "user")
    assert not any(b"mallory" in f.read_bytes() for f in path.rglob("*") if f.is_file())
    assert fsck(path).problems == ()


def test_receipts_and_proofs_hold_against_the_signed_checkpoint(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        key = notes.parse_vkey(ledger.vkey())
        early = ledger.append(*[step(i) for i in range(300)])[-1]
        late = ledger.append(*[step(i) for i in range(300)])[-1]
        old = checkpoints.open_checkpoint(early.checkpoint, key)
        new = checkpoints.open_checkpoint(late.checkpoint, key)
        assert (early.size, late.size, ledger.checkpoint()) == (300, 600, late.checkpoint)
        for index in (0, 255, 256, 599):
            proof = ledger.inclusion_proof(index)
            leaf = merkle.leaf_hash(public_entries(ledger.path)[1][index])
            merkle.verify_inclusion(index, 600, leaf, proof, new.root)
        leaf = bytes.fromhex(early.leaf_hash)
        merkle.verify_inclusion(299, 300, leaf, ledger.inclusion_proof(299, 300), old.root)
        proof = ledger.consistency_proof(300, 600)
        merkle.verify_consistency(300, 600, old.root, new.root, proof)
        with pytest.raises(UsageError, match="no entry 600 among 600"):
            ledger.inclusion_proof(600)
        with pytest.raises(UsageError, match="no tree of 0 entries"):
            ledger.consistency_proof(0, 5)
        with pytest.raises(UsageError, match="600 entries, not 601"):
            ledger.consistency_proof(5, 601)


@pytest.mark.parametrize("batches", [[1] * 5, [255, 1, 1], [256], [100, 300, 200], [65_600]])
def test_any_c2sp_client_can_read_the_public_files(tmp_path: Path, batches: list[int]) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        assert public_entries(ledger.path)[0].size == 0
        for size in batches:
            ledger.append(*[step(i) for i in range(size)])
            checkpoint, entries = public_entries(ledger.path)
            assert checkpoint.size == len(entries) == ledger.size()
            assert merkle.root([merkle.leaf_hash(e) for e in entries]) == checkpoint.root
    assert fsck(tmp_path / "l").problems == ()


def append_many(path: Path, run: str, count: int) -> None:
    with Ledger.open(path) as ledger:
        for i in range(count):
            ledger.append(step(i, run))


def test_processes_that_append_at_once_all_land(tmp_path: Path) -> None:
    path = tmp_path / "l"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=create_and_append, args=(path, f"run-{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with Ledger.open(path) as ledger:
        for n in range(3):
            assert [e.body["i"] for e in ledger.entries(run=f"run-{n}")] == list(range(40))
    assert fsck(path).problems == ()


def open_and_append(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(step(0))


def create_and_append(path: Path, run: str) -> None:
    Ledger.open(path, create=True).close()
    append_many(path, run, 40)


def test_threads_may_share_a_ledger(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:

        def work(run: str) -> None:
            for i in range(30):
                ledger.append(step(i, run))
                assert len(list(ledger.entries(run=run))) == i + 1

        threads = [threading.Thread(target=work, args=(f"run-{n}",)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.size() == 90
    assert fsck(tmp_path / "l").problems == ()


def test_a_busy_ledger_is_waited_for_and_then_said_to_be_busy(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        with (
            layout.turn(ledger.path),
            pytest.raises(UnavailableError, match="is busy"),
            layout.turn(ledger.path, wait_seconds=0.05),
        ):
            pass
        ledger.append(step(0))


def test_a_crash_between_commit_and_publication_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l"
    with Ledger.init(path) as ledger:
        ledger.append(*[step(i) for i in range(250)])
        with monkeypatch.context() as patch:

            def refused(*_: object) -> None:
                raise OSError(28, "No space left on device")

            patch.setattr(publish, "publish", refused)
            receipt = ledger.append(*[step(i) for i in range(10)])[-1]
    assert receipt.size == 260
    assert public_entries(path)[0].size == 250
    (problem, *_) = fsck(path).problems
    assert "public checkpoint is not the latest" in problem.what
    Ledger.open(path).close()
    assert public_entries(path)[0].size == 260
    assert fsck(path).problems == ()


def test_partial_files_lost_in_a_power_cut_are_written_again(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.init(path) as ledger:
        ledger.append(step(0), step(1))
    (path / "tile/0/000.p/2").write_bytes(b"")
    (path / "tile/entries/000.p/2").unlink()
    Ledger.open(path).close()
    assert fsck(path).problems == ()


def test_a_failed_append_leaves_nothing_and_the_ledger_goes_on(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        ledger.append(step(0))
        blocker = sqlite3.connect(ledger.path / "ledger.db", isolation_level=None)
        blocker.execute(
            "CREATE TRIGGER no BEFORE INSERT ON checkpoint BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(MalformedError):
            ledger.append(step(1), step(2))
        assert ledger.size() == 1
        blocker.execute("DROP TRIGGER no")
        blocker.close()
        assert ledger.append(step(1))[0].index == 1
    assert fsck(tmp_path / "l").problems == ()


def test_only_the_owner_can_enter(tmp_path: Path) -> None:
    with Ledger.init(tmp_path / "l") as ledger:
        run = ledger.run_dir("run-1")
        assert run == ledger.path / "runs" / "run-1" == ledger.run_dir("run-1")
        for folder in (ledger.path, run, ledger.path / "keys", ledger.objects.root):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("ledger.db", "keys/ledger.key"):
            assert stat.S_IMODE((ledger.path / name).stat().st_mode) == 0o600
        for bad in ("../x", "", "a/b", ".", "x" * 129):
            with pytest.raises(UsageError):
                ledger.run_dir(bad)


def test_a_second_ledger_is_not_put_over_the_first(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger.init(path, origin="example.com/log").close()
    with pytest.raises(UsageError, match="already holds a ledger"):
        Ledger.init(path)
    with pytest.raises(UsageError, match="has been seen already"):
        Ledger.init(tmp_path / "other", origin="example.com/log")
    (path / "veristep-ledger.json").unlink()
    with pytest.raises(UsageError, match="not empty"):
        Ledger.open(path, create=True)
    with pytest.raises(MalformedError):
        Ledger.init(tmp_path / "third", origin="white space")


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotFoundError, match="no ledger") as caught:
            Ledger.open(path)
        assert "veristep ledger init" in caught.value.hint


def test_another_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "l"
    Ledger.init(path).close()
    form = path / "veristep-ledger.json"
    form.write_text(json.dumps(json.loads(form.read_text()) | {"format": "veristep-ledger/2"}))
    before = (path / "ledger.db").read_bytes()
    with pytest.raises(UnsupportedVersionError, match="veristep-ledger/2") as caught:
        Ledger.open(path)
    assert caught.value.hint
    assert (path / "ledger.db").read_bytes() == before
    assert any("veristep-ledger/2" in p.what for p in fsck(path).problems)


@pytest.mark.parametrize("name", ["veristep-ledger.json", "ledger.vkey", "ledger.db", "keys/ledger.key"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "l"
    Ledger.init(path).close()
    (path / name).write_bytes(b"garbage that is long enough to be looked at\n" * 100)
    with pytest.raises(MalformedError, match=Path(name).name):
        open_and_append(path)


def test_a_changed_entry_stops_the_next_append(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.init(path) as ledger:
        ledger.append(step(0), step(1))
    connection = sqlite3.connect(path / "ledger.db")
    connection.execute("UPDATE entry SET hash = zeroblob(32) WHERE idx = 1")
    connection.execute("UPDATE entry SET body = CAST('{\"i\":9}' AS BLOB) WHERE idx = 0")
    connection.commit()
    connection.close()
    with pytest.raises(TamperedError, match="expected root"):
        Ledger.open(path)


def test_a_changed_body_or_opening_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.init(path) as ledger:
        ledger.append(Draft("note", {"a": 1}), Draft("note", {"b": 1}, sensitive=frozenset("b")))
        connection = sqlite3.connect(path / "ledger.db", isolation_level=None)
        connection.execute("UPDATE opening SET value = CAST('2' AS BLOB)")
        with pytest.raises(TamperedError, match=r"entry 1 .*'b' is not the logged one"):
            list(ledger.entries())
        connection.execute("UPDATE entry SET body = CAST('{\"a\":2}' AS BLOB) WHERE idx = 0")
        connection.close()
        with pytest.raises(TamperedError, match=r"entry 0 .*expected sha256:"):
            list(ledger.entries())


def test_a_foreign_key_file_signs_nothing(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Ledger.init(tmp_path / name, origin=f"example.com/{name}").close()
    shutil.copy(tmp_path / "b/keys/ledger.key", tmp_path / "a/keys/ledger.key")
    with pytest.raises(TamperedError, match="not the ledger's key"):
        open_and_append(tmp_path / "a")
    (tmp_path / "a/keys/ledger.key").chmod(0o644)
    with pytest.raises(UsageError, match="open to other users") as caught:
        open_and_append(tmp_path / "a")
    assert "chmod 600" in caught.value.hint


def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    ledger = Ledger.init(tmp_path / "l")
    ledger.close()
    with pytest.raises(UsageError, match="is closed"):
        ledger.size()


def test_where_the_ledger_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERISTEP_LEDGER", "/somewhere")
    assert default_path() == Path("/somewhere")
    monkeypatch.delenv("VERISTEP_LEDGER")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/veristep/ledger")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_path() == Path("/home/me/.local/share/veristep/ledger")
    assert os.environ["HOME"] == "/home/me"
