"""Data that a run declares is watched: changes between its steps, samples, and what else it reads."""

from __future__ import annotations

import os
import time

import pytest

from datarun import DataRun
from lab import Lab, python
from locked_data import Data
from veristep.core.verdicts import Finding, Severity
from veristep.supervise.data import watching


@pytest.fixture
def run(data: Data, monkeypatch: pytest.MonkeyPatch) -> DataRun:
    monkeypatch.setattr(watching, "SWEEP_SECONDS", 0.02)
    data.lock()
    return DataRun(data)


def rules(found: list[Finding]) -> list[str]:
    return sorted(each.rule for each in found)


def test_untouched_data_gives_no_finding_and_says_what_was_drawn(run: DataRun) -> None:
    run.opened(run.data.folder / "shard-0.bin")
    run.swept()
    assert run.end() == []
    coverage = run.check.coverage()
    assert (coverage["files"].total, coverage["files"].checked) == (5, 5)
    chunks = coverage["chunks"]
    if chunks.checked < chunks.total:
        assert "would have been missed with chance" in next(iter(chunks.not_checked))


def test_all_of_small_data_is_read_in_time(run: DataRun) -> None:
    def all_read() -> bool:
        chunks = run.check.coverage()["chunks"]
        return chunks.total > 0 and chunks.checked == chunks.total

    run.until(all_read)
    assert run.end() == []
    assert run.check.coverage()["chunks"].not_checked == {}


def test_data_changed_before_the_run_is_found_at_its_start(run: DataRun) -> None:
    path = run.data.folder / "shard-1.bin"
    path.write_bytes(b"x" + path.read_bytes()[1:])
    run.swept()
    assert rules(run.end()) == ["DATA001"]


def test_data_copied_anew_with_the_same_content_is_no_finding(run: DataRun) -> None:
    path = run.data.folder / "shard-1.bin"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    run.opened(path)
    run.swept()
    assert run.end() == []


def test_a_change_between_steps_is_found_with_the_steps(run: DataRun) -> None:
    run.step(9)
    run.swept()
    path = run.data.folder / "labels" / "train.csv"
    status, text = path.stat(), path.read_text()
    path.write_text(text.replace("7.png,0", "7.png,1", 1))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    run.step(19)
    run.until(lambda: bool(run.found))
    (finding,) = run.end()
    assert (finding.rule, finding.severity) == ("DATA005", Severity.ERROR)
    assert "between steps 10 and" in finding.summary
    assert finding.evidence["line"] == 8


@pytest.mark.parametrize("how", ["in place", "renamed"])
def test_a_file_replaced_and_put_back_unseen_is_a_warning(run: DataRun, how: str) -> None:
    run.swept()
    path = run.data.folder / "shard-2.bin"
    content, status = path.read_bytes(), path.stat()
    if how == "in place":
        path.write_bytes(b"?" * len(content))
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    else:
        aside = path.rename(path.with_suffix(".aside"))
        path.write_bytes(b"?" * len(content))
        aside.replace(path)
    run.until(lambda: bool(run.found))
    (finding,) = run.end()
    assert finding.rule == "DATA005"
    # Seen while it was replaced, it is an error.
    assert finding.severity in (Severity.WARNING, Severity.ERROR)
    assert finding.evidence["path"] == str(path)


def test_another_mode_or_name_is_only_a_note(run: DataRun) -> None:
    run.swept()
    path = run.data.folder / "shard-2.bin"
    path.chmod(0o600)
    run.until(lambda: bool(run.found))
    (run.data.folder.parent / "link").hardlink_to(run.data.folder / "shard-0.bin")
    run.until(lambda: len(run.found) > 1)
    assert {(each.rule, each.severity) for each in run.end()} == {("DATA005", Severity.INFO)}


def test_a_file_that_was_another_one_when_it_was_opened_is_found(run: DataRun) -> None:
    run.opened(run.data.folder / "shard-0.bin", size=17)
    run.swept()
    (finding,) = run.end()
    assert (finding.rule, finding.severity) == ("DATA005", Severity.ERROR)
    assert str(finding.evidence["got"]).startswith("17 bytes")


def test_a_file_that_goes_missing_is_found_once(run: DataRun) -> None:
    run.swept()
    (run.data.folder / "shard-0.bin").unlink()
    run.until(lambda: bool(run.found))
    run.swept()
    assert rules(run.end()) == ["DATA002"]


def test_a_changed_chunk_that_keeps_every_time_is_found_when_it_is_drawn(
    run: DataRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What root, or a broken disk, can do: the state says untouched, the bytes say otherwise."""
    run.swept()
    path = run.data.folder / "shard-0.bin"
    from veristep.supervise.data.source import LocalFile, LocalSource

    state = LocalSource(run.data.folder).state("shard-0.bin")
    real = LocalSource.state
    monkeypatch.setattr(
        LocalSource, "state", lambda self, name: state if name == "shard-0.bin" else real(self, name)
    )
    opened = LocalFile.state
    size = path.stat().st_size
    monkeypatch.setattr(LocalFile, "state", lambda self: state if opened(self)[2] == size else opened(self))
    path.write_bytes(b"!" + path.read_bytes()[1:])
    run.until(lambda: bool(run.found))
    assert rules(run.end()) == ["DATA001"]


def test_what_is_read_and_no_manifest_knows_is_named(run: DataRun) -> None:
    poison = run.data.folder / "shard-7.bin"
    poison.write_bytes(b"poison")
    os.utime(poison, (1, 1))
    elsewhere = run.data.folder.parent / "elsewhere.bin"
    elsewhere.write_bytes(b"x")
    own = run.data.folder / "cache.npy"
    own.write_bytes(b"made by the run")
    for path in (poison, elsewhere, own, run.data.folder / "shard-1.bin"):
        run.opened(path)
    run.swept()
    found = run.end()
    assert rules(found) == ["DATA004", "DATA006"]
    assert found[0].evidence["path"] == str(poison)
    assert found[1].severity is Severity.INFO
    assert found[1].evidence["paths"] == [str(elsewhere), str(own)]


def test_data_that_is_not_locked_is_said_to_be_unchecked(data: Data) -> None:
    data.lock()
    run = DataRun(data, "set", "other")
    assert run.end() == []
    tally = run.check.coverage()["manifests"]
    assert (tally.total, tally.checked) == (2, 1)
    assert "no data 'other' is locked" in next(iter(tally.not_checked))


def test_a_damaged_manifest_is_not_shown_as_checked(data: Data) -> None:
    digest = data.lock().locked.digest
    data.ledger.objects.path(digest).write_bytes(b"damaged")
    run = DataRun(data)
    run.end()
    assert "cannot be used" in next(iter(run.check.coverage()["files"].not_checked))


SCRIPT = """
import sys, time, torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(200):
    batch = torch.tensor(list(open("set/shard.bin", "rb").read(4)), dtype=torch.float32)
    model(batch).sum().backward()
    optimizer.step()
    if epoch == 50:
        open("ready", "w").close()
        time.sleep(2.5)
"""


def test_a_real_run_tells_of_a_shard_that_was_replaced_between_its_epochs(lab: Lab) -> None:
    (lab.work / "set").mkdir()
    shard = lab.work / "set" / "shard.bin"
    shard.write_bytes(bytes(5000))
    (lab.work / "train.py").write_text(SCRIPT)
    assert lab.veristep("data", "lock", "set").status == 0
    with lab.started("run", "--data", "set", "--", *python("train.py")) as process:
        deadline = time.monotonic() + 60
        while not (lab.work / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.2)
        shard.write_bytes(b"\1" + bytes(4999))
        _out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "error[DATA005]" in err
    shown = lab.veristep("show", "last", "--json").json()
    (finding,) = [each for each in shown["findings"] if each["rule"] == "DATA005"]
    assert finding["evidence"]["ranges"] == [[0, 5000]]
    assert str(shard) in finding["summary"]


def test_objects_elsewhere_are_watched_by_their_tags_with_one_listing_for_all(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    from veristep.supervise.data.lock import LockOptions, lock
    from veristep.supervise.data.remote import RemoteSource

    monkeypatch.setattr(watching, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(watching, "REMOTE_SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    system = MemoryFileSystem()
    for number in range(3):
        system.pipe(f"/bucket/set/{number}.bin", bytes([number]) * 5000)
    lock(data.ledger, RemoteSource("memory://bucket/set"), LockOptions("remote", 4096))
    run = DataRun(data, "remote")
    run.swept()
    system.pipe("/bucket/set/1.bin", b"x" * 5000)
    run.until(lambda: bool(run.found))
    (finding,) = run.end()
    assert (finding.rule, finding.evidence["path"]) == ("DATA005", "memory://bucket/set/1.bin")
    assert finding.evidence["ranges"] == [[0, 5000]]
