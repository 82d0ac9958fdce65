"""An audit that is killed goes on where it was: same draw, same bytes; a forged journal is not believed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from lab import Lab
from veristep.core.canonical import Json
from veristep.core.verdicts import Verdict
from veristep.ledger.log import Ledger
from veristep.replay.audit import Judged
from veristep.replay.journal import Continued, Journal
from veristep.replay.order import Difference
from veristep.replay.plan.intervals import Interval


def journals(lab: Lab) -> list[Path]:
    return sorted(lab.ledger.glob("runs/*/audits/*.jsonl"))


def verdicts(lab: Lab) -> int:
    return sum(len(path.read_bytes().splitlines()) - 1 for path in journals(lab))


def kill_after(lab: Lab, count: int, *words: str) -> None:
    """Audit, and kill the auditor when `count` verdicts are written down."""
    with lab.started("audit", "last", *words, "--workers", "1") as running:
        wait_for(lab, running, count)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)


def wait_for(lab: Lab, running: subprocess.Popen[str], count: int) -> None:
    deadline = time.monotonic() + 120
    while verdicts(lab) < count and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.poll() is None, "the audit was over before it could be killed"


def test_a_killed_audit_goes_on_and_says_the_same_as_one_that_was_not(recorded: Lab) -> None:
    expected = recorded.veristep("audit", "last", "--all", "--json")
    assert expected.status == 0, expected.err
    assert journals(recorded) == []
    kill_after(recorded, 1, "--all")
    assert verdicts(recorded) == 1
    resumed = recorded.veristep("audit", "last", "--resume", "--json")
    assert resumed.status == 0, resumed.err
    assert resumed.out == expected.out
    assert "going on with an audit that was interrupted: 1 verdict is known" in resumed.err
    assert "2 of 2" in resumed.err
    assert journals(recorded) == []


def judged(number: int, verdict: Verdict = Verdict.VERIFIED) -> Judged:
    interval = Interval(number, 4 * number, 4 * number + 4, ("0",), closed=True)
    difference = None
    if verdict is Verdict.VIOLATED:
        difference = ("0", Difference(4 * number, "update", ["w"], "a", "b", 4 * number))
    return Judged(interval, verdict, "why", difference, 4, 7, 7, 1.5, "said", ("noted",))


def found(ledger: Ledger, folder: Path) -> Journal | None:
    return Journal.find(ledger, folder, lambda what: what.get("choice") == "this")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Ledger.init(tmp_path / "ledger") as made:
        yield made


def written(ledger: Ledger, folder: Path, *verdicts: Judged) -> Path:
    journal = Journal.begin(ledger, folder, {"choice": "this"})
    for each in verdicts:
        journal.keep(each, {"code": "as recorded"})
    journal.close()
    return journal.path


def test_verdicts_come_back_as_they_were(ledger: Ledger, tmp_path: Path) -> None:
    kept = [judged(3), judged(1, Verdict.VIOLATED)]
    path = written(ledger, tmp_path, *kept, judged(2, Verdict.UNVERIFIED))
    journal = found(ledger, tmp_path)
    assert journal is not None
    assert list(journal.judged.values()) == kept, "what could not be judged is tried again"
    assert journal.facts == {"code": "as recorded"}
    assert Journal.find(ledger, tmp_path, lambda _what: True) is None, "somebody goes on with it"
    journal.keep(judged(5), {})
    journal.close()
    again = found(ledger, tmp_path)
    assert again is not None
    assert set(again.judged) == {1, 3, 5}
    again.finish()
    assert not path.exists()


def test_a_line_that_a_power_cut_left_is_dropped(ledger: Ledger, tmp_path: Path) -> None:
    path = written(ledger, tmp_path, judged(1), judged(2))
    path.write_bytes(path.read_bytes()[:-20])
    journal = found(ledger, tmp_path)
    assert journal is not None
    assert set(journal.judged) == {1}
    journal.keep(judged(3), {})
    journal.close()
    again = found(ledger, tmp_path)
    assert again is not None
    assert set(again.judged) == {1, 3}
    again.close()


@pytest.mark.parametrize(
    "forge",
    [
        lambda data: data.replace(b"violated", b"verified"),
        lambda data: data.replace(b'"choice":"this"', b'"choice":"this","x":1'),
        lambda data: b"\n".join([*data.split(b"\n")[:1], *data.split(b"\n")[2:]]),
        lambda data: b"\n".join([data.split(b"\n")[0], *data.split(b"\n")[2:0:-1], b""]),
        lambda data: data.replace(b"veristep-audit-journal/1", b"veristep-audit-journal/9"),
    ],
    ids=["a verdict changed", "the head changed", "a line removed", "lines exchanged", "another format"],
)
def test_a_journal_that_was_changed_is_not_believed(
    ledger: Ledger, tmp_path: Path, forge: Callable[[bytes], bytes]
) -> None:
    path = written(ledger, tmp_path, judged(1, Verdict.VIOLATED), judged(2))
    before = path.read_bytes()
    path.write_bytes(forge(before))
    assert path.read_bytes() != before
    assert found(ledger, tmp_path) is None


def test_a_journal_of_another_ledger_is_not_believed(ledger: Ledger, tmp_path: Path) -> None:
    written(ledger, tmp_path, judged(1))
    with Ledger.init(tmp_path / "other") as other:
        assert found(other, tmp_path) is None


def test_a_full_disk_costs_the_way_back_and_not_the_audit(ledger: Ledger, tmp_path: Path) -> None:
    class Known:
        facts: ClassVar[dict[str, Json]] = {}

        def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
            yield from (judged(each.number) for each in intervals)

        def close(self) -> None:
            pass

    journal = Journal.begin(ledger, tmp_path, {"choice": "this"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 100, hard))
    try:
        engine = Continued(Known(), journal)
        verdicts = list(engine.run([judged(number).interval for number in range(4)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert len(verdicts) == 4
    assert "cannot be written" in engine.trouble
    journal.close()


def test_going_on_without_anything_interrupted_is_refused(recorded: Lab) -> None:
    done = recorded.veristep("audit", "last", "--resume")
    assert done.status == 2
    assert "leave --resume out" in done.err
