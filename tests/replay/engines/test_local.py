"""The local pool: the same verdicts whatever the number of workers, and none lost with one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from lab import Lab
from veristep.core.verdicts import Verdict
from veristep.ledger.log import Ledger
from veristep.replay import recorded as records
from veristep.replay.audit import Auditor, Judged
from veristep.replay.engines.local import Local
from veristep.replay.engines.protocol import Options
from veristep.replay.plan import intervals as plans
from veristep.replay.plan.intervals import Interval
from veristep.replay.room.prepare import RoomOptions, prepare


@pytest.fixture
def auditor(recorded: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Auditor]:
    monkeypatch.setenv("XDG_CACHE_HOME", recorded.environment["XDG_CACHE_HOME"])
    with Ledger.open(recorded.ledger) as ledger:
        run = records.load(ledger, records.find(ledger, "last"))
        origin = records.origin(ledger, run)
        options = RoomOptions(in_place=True, allow_unsandboxed=True)
        setting = prepare(ledger, run, origin, options)
        yield Auditor(ledger.objects, run, origin, setting)


def intervals(auditor: Auditor) -> tuple[Interval, ...]:
    return plans.make_plan(auditor.run).intervals


def details(lab: Lab) -> list[tuple[object, object]]:
    with Ledger.open(lab.ledger) as ledger:
        bodies = [entry.body for entry in ledger.entries(kind="audit.done")]
    return [(body["objects"], body["room"]) for body in bodies]


@pytest.mark.long
def test_the_verdict_is_the_same_bytes_with_two_workers_and_with_none(recorded: Lab) -> None:
    before = len(details(recorded))
    told = [
        recorded.veristep("audit", "last", "--all", "--json", *words).out
        for words in (("--workers", "2"), ("--engine", "inline"))
    ]
    assert told[0] == told[1]
    assert '"verified"' in told[0]
    written = details(recorded)[before:]
    assert written[0] == written[1]


def test_the_interval_of_a_killed_worker_is_judged_by_another(auditor: Auditor) -> None:
    engine: Local
    killed: list[int] = []

    def kill_once(_interval: Interval) -> None:
        if not killed:
            killed.extend(engine.pids)
            os.kill(killed[0], signal.SIGKILL)

    engine = Local(auditor, Options(workers=1, started=kill_once))
    judged = list(engine.run(intervals(auditor)[:1]))
    engine.close()
    assert killed
    assert [each.verdict for each in judged] == [Verdict.VERIFIED]


def test_an_interval_whose_workers_always_die_is_unverified_and_says_how(auditor: Auditor) -> None:
    engine: Local

    def kill(_interval: Interval) -> None:
        os.kill(engine.pids[-1], signal.SIGKILL)

    engine = Local(auditor, Options(workers=1, started=kill))
    judged = list(engine.run(intervals(auditor)[:1]))
    engine.close()
    assert [each.verdict for each in judged] == [Verdict.UNVERIFIED]
    assert "was killed (signal 9, SIGKILL), 3 times" in judged[0].reason


def test_a_replay_that_outgrows_the_memory_bound_is_ended_and_unverified(auditor: Auditor) -> None:
    engine = Local(auditor, Options(workers=2, memory=120 << 20))
    judged = list(engine.run(intervals(auditor)[:2]))
    assert engine.pids == []
    engine.close()
    assert {each.verdict for each in judged} == {Verdict.UNVERIFIED}
    assert {each.reason for each in judged} == {
        "the replay took more memory than the 0.1 GiB it may: raise --memory"
    }


def test_no_more_replays_start_than_memory_is_estimated_to_hold(auditor: Auditor) -> None:
    running: list[Interval] = []
    most = 0

    def started(interval: Interval) -> None:
        nonlocal most
        running.append(interval)
        most = max(most, len(running))

    engine = Local(auditor, Options(workers=2, memory=700 << 20, started=started))
    judged: list[Judged] = []
    for each in engine.run(intervals(auditor)[:2]):
        running.remove(each.interval)
        judged.append(each)
    engine.close()
    assert most == 1
    assert [each.verdict for each in judged] == [Verdict.VERIFIED] * 2
