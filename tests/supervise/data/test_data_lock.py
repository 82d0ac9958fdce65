"""Locking: everything is in the manifest, nothing is read twice, and a kill loses nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locked_data import CHUNK, Data
from veristep.core import datasets
from veristep.core.datasets import DataFile, Manifest
from veristep.core.verdicts import Verdict
from veristep.errors import MalformedError, TamperedError, UnavailableError, VeristepError
from veristep.ledger.fsck import fsck
from veristep.supervise.data import store
from veristep.supervise.data.digesting import Digester, file_digest
from veristep.supervise.data.journal import Journal
from veristep.supervise.data.lock import LockOptions, lock
from veristep.supervise.data.remote import RemoteSource
from veristep.supervise.data.source import LocalSource


def test_the_manifest_holds_every_file_by_the_digests_of_its_chunks(data: Data) -> None:
    manifest = data.lock().locked.manifest
    names = ["empty", "labels/train.csv", "shard-0.bin", "shard-1.bin", "shard-2.bin"]
    assert [file.path for file in manifest.files] == names
    content = (data.folder / "shard-1.bin").read_bytes()
    pieces = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    file = manifest.by_path()["shard-1.bin"]
    assert file.chunks == b"".join(blake3(piece).digest() for piece in pieces)
    assert manifest.by_path()["empty"].chunks == b""
    assert fsck(data.ledger.path).problems == ()


def test_a_copy_elsewhere_has_the_same_root_digest(data: Data, tmp_path: Path) -> None:
    first = data.lock().locked
    data.folder = data.folder.rename(tmp_path / "elsewhere")
    assert data.lock().locked.digest == first.digest


def test_what_was_not_touched_is_not_read_again(data: Data) -> None:
    data.lock()
    (data.folder / "shard-0.bin").write_bytes(b"new")
    (data.folder / "shard-9.bin").write_bytes(b"more")
    (data.folder / "empty").unlink()
    outcome = data.lock()
    assert (outcome.read_bytes, outcome.untouched) == (7, 3)
    assert (outcome.changed, outcome.added, outcome.gone) == (
        ("shard-0.bin",),
        ("shard-9.bin",),
        ("empty",),
    )
    assert data.check().verdict is Verdict.VERIFIED


def test_a_restored_modification_time_does_not_hide_a_change(data: Data) -> None:
    data.lock()
    path = data.folder / "shard-0.bin"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert data.lock().changed == ("shard-0.bin",)


def test_the_state_of_a_file_that_has_just_changed_is_not_relied_on(data: Data) -> None:
    data.lock(racy_ns=10**12)
    assert data.lock(racy_ns=10**12).untouched == 0


def test_what_cannot_be_locked_is_named(data: Data) -> None:
    os.mkfifo(data.folder / "pipe")
    (data.folder / "nowhere").symlink_to("missing")
    (data.folder / "folder").symlink_to(data.folder / "labels")
    (data.folder / "loop").symlink_to(data.folder / "loop")
    (data.folder / "same").symlink_to("shard-0.bin")
    locked = data.lock().locked
    assert {path for path, _ in locked.left_out} == {"pipe", "nowhere", "folder", "loop"}
    assert locked.manifest.by_path()["same"].link == "shard-0.bin"
    result = data.check()
    assert result.verdict is Verdict.UNVERIFIED
    assert sum(result.coverage["files"].not_checked.values()) == 4


def test_names_that_are_not_text_are_kept_as_they_are(data: Data) -> None:
    name = os.fsdecode(b"caf\xe9\n\x1b[31m.bin")
    (data.folder / name).write_bytes(b"x")
    assert name in data.lock().locked.manifest.by_path()
    (data.folder / name).write_bytes(b"y")
    finding = data.check().findings[0]
    assert finding.rule == "DATA001"


def test_a_file_that_changes_while_it_is_read_is_left_out(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = data.folder / "shard-2.bin", Digester.read

    def touched(self: Digester, piece):  # type: ignore[no-untyped-def]
        if piece.item.path == "shard-2.bin":
            path.write_bytes(random.randbytes(path.stat().st_size + 1))
        return real(self, piece)

    monkeypatch.setattr(Digester, "read", touched)
    locked = data.lock().locked
    assert list(locked.left_out) == [("shard-2.bin", "changed while it was read")]
    assert "shard-2.bin" not in locked.manifest.by_path()


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from veristep.ledger.log import Ledger
    from veristep.supervise.data import journal
    from veristep.supervise.data.lock import LockOptions, lock
    from veristep.supervise.data.source import LocalSource

    journal.FLUSH_SECONDS = -1.0
    left = [7]

    def progress(done, total):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    with Ledger.open(Path(sys.argv[1])) as ledger:
        lock(ledger, LocalSource(Path(sys.argv[2])), LockOptions("set", 4096, jobs=1), progress, racy_ns=0)
"""


def test_a_lock_that_was_killed_goes_on_where_it_was(data: Data) -> None:
    for number in range(30):
        (data.folder / f"more-{number:02}").write_bytes(random.randbytes(100))
    script = textwrap.dedent(KILLED)
    words = [sys.executable, "-c", script, str(data.ledger.path), str(data.folder)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    (data.folder / "more-01").write_bytes(b"touched in between")
    outcome = data.lock()
    assert outcome.resumed == 6
    assert outcome.read_bytes < outcome.locked.manifest.size
    assert data.check().verdict is Verdict.VERIFIED


def test_two_locks_of_the_same_data_do_not_mix(data: Data) -> None:
    with Journal(data.ledger.path, str(data.folder), CHUNK), pytest.raises(UnavailableError):
        data.lock()


def test_a_journal_that_is_cut_short_or_garbled_costs_reading_and_nothing_else(data: Data) -> None:
    data.lock()
    digest = data.lock(full=True).locked.digest
    with Journal(data.ledger.path, str(data.folder), CHUNK) as journal:
        journal.add("shard-0.bin", (1, 2, 3), 0, b"\0" * 32)
        journal.flush()
        path = journal._path
    with path.open("ab") as file:
        file.write(b'["shard-1.bin", [1')
    assert data.lock(full=True).locked.digest == digest


def test_objects_that_fsspec_reaches_are_locked_by_digest_and_watched_by_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    system = MemoryFileSystem()
    for number in range(3):
        system.pipe(f"/bucket/set/{number}.bin", random.randbytes(10_000))
    from veristep.ledger.log import Ledger
    from veristep.supervise.data.check import CheckOptions, How, check

    with Ledger.init(tmp_path / "ledger") as ledger:
        source, options = RemoteSource("memory://bucket/set"), LockOptions("set", CHUNK)
        locked = lock(ledger, source, options).locked
        assert lock(ledger, source, options).untouched == 3
        local = tmp_path / "copy"
        local.mkdir()
        for number in range(3):
            (local / f"{number}.bin").write_bytes(system.cat(f"/bucket/set/{number}.bin"))
        assert check(locked, LocalSource(local), CheckOptions()).result.verdict is Verdict.VERIFIED
        assert (
            check(locked, RemoteSource(f"file://{local}"), CheckOptions()).result.verdict
            is Verdict.VERIFIED
        )
        system.pipe("/bucket/set/1.bin", random.randbytes(10_000))
        checked = check(locked, source, CheckOptions(How.QUICK))
    (finding,) = checked.result.findings
    assert (finding.rule, finding.evidence["path"]) == ("DATA001", "memory://bucket/set/1.bin")


# -- the format ---------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_bit_anywhere_in_what_the_ledger_keeps_is_found_and_named(
    data: Data, draw: st.DataObject
) -> None:
    entries = list(data.ledger.entries(kind=store.LOCKED))
    if not entries:
        data.lock()
        entries = list(data.ledger.entries(kind=store.LOCKED))
    objects = entries[0].body["objects"]
    assert isinstance(objects, dict)
    name = draw.draw(st.sampled_from(sorted(objects.values())))
    path = data.ledger.objects.path(name)
    before = path.read_bytes()
    bit = draw.draw(st.integers(0, 8 * len(before) - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        with pytest.raises(TamperedError, match=path.name):
            store.load(data.ledger, entries[0])
    finally:
        path.write_bytes(before)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_changed_bit_anywhere_in_a_manifest_never_leaves_it_what_it_was(draw: st.DataObject) -> None:
    files = tuple(
        DataFile(name, size, file_digest(size, chunks), chunks)
        for name, size, chunks in [("a", 0, b""), ("b/c", 5000, bytes(range(64))), ("d", 1, b"\7" * 32)]
    )
    manifest = Manifest(CHUNK, files)
    flipped = bytearray(manifest.encode())
    bit = draw.draw(st.integers(0, 8 * len(flipped) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        read = datasets.decode(bytes(flipped))
    except VeristepError:
        return
    # What can be read is another manifest, and says so of the file it was changed in.
    changed = [file for file in read.files if file not in files]
    assert len(changed) == 1 or read.chunk_bytes != CHUNK
    assert read.encode() == bytes(flipped)


@pytest.mark.parametrize(
    "broken", [b"", b"\n", b"{}\n", b'{"format":"veristep-data/1","chunk":4096,"files":1}\n']
)
def test_what_is_no_manifest_is_refused(broken: bytes) -> None:
    with pytest.raises(VeristepError):
        datasets.decode(broken)


def test_paths_in_another_order_or_twice_are_refused() -> None:
    file = DataFile("a", 0, file_digest(0, b""), b"")
    with pytest.raises(MalformedError, match="sorted"):
        datasets.decode(Manifest(CHUNK, (file, file)).encode())
