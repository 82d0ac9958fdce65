"""`veristep audit RUN --follow`: audit a run while it trains."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from veristep.case.wording import duration, plain
from veristep.cli import audit_outcome, render

if TYPE_CHECKING:
    from veristep.cli.audit_choice import Asked
    from veristep.cli.audit_running import Running
    from veristep.core.verdicts import Severity
    from veristep.ledger.log import Ledger
    from veristep.replay.audit import Judged
    from veristep.replay.follow.attend import Followed
    from veristep.replay.follow.pace import Budget, Delay
    from veristep.replay.room.prepare import RoomOptions


def follow(
    ledger: Ledger,
    run: str,
    asked: Asked,
    running: Running,
    room: RoomOptions,
    fail_on: Severity,
    *,
    as_json: bool,
) -> int:
    """Follow a run to its end and say what was found."""
    from veristep.ledger import auditors
    from veristep.replay.follow.attend import NICE
    from veristep.replay.follow.attend import follow as follow_run

    key = asked.key() or auditors.own_key(ledger.path)
    nonce = auditors.nonce(key, ledger.origin, run)
    nice = NICE if running.nice is None else running.nice
    with suppress(OSError):
        os.nice(nice)  # the replays inherit it
    share = running.budget()
    render.note(f"following the run {run} for {100 * share:g} % of its compute; Ctrl-C ends it")
    memory = running.memory or 0
    followed = follow_run(ledger, run, nonce, _Said(), share=share, memory=memory, room=room)
    if as_json:
        render.as_json({**followed.audit.result.to_json(), "run": run, **followed.to_json()})
    else:
        _print(followed)
    return audit_outcome.status(followed.audit, fail_on)


class _Said:
    """Says on standard error how it goes."""

    def judged(self, judged: Judged, budget: Budget, delay: Delay) -> None:
        """Tell of an interval."""
        span = f"steps {judged.interval.start} to {judged.interval.stop - 1}"
        reason = f": {plain(judged.reason)}" if judged.reason else ""
        render.note(f"{span}: {judged.verdict.value}{reason}")
        render.note(f"{100 * budget.used:.2f} % of training's compute spent; {_bound(delay)}")

    def found(self, judged: Judged, after: float) -> None:
        """Tell of a finding."""
        assert judged.difference is not None
        step = judged.difference[1].step
        render.note(f"step {step} does not replay; found {duration(after)} after it was taken")


def _print(followed: Followed) -> None:
    render.result(followed.audit.result)
    budget = followed.budget
    render.out(
        f"   = share: {budget.spent:.1f} of {budget.training:.1f} processor seconds "
        f"({100 * budget.used:.2f} %, allowed {100 * budget.share:g} %)"
    )
    if followed.delay is not None:
        render.out(f"   = delay: {_bound(followed.delay)}")
    for after in followed.after:
        render.out(f"   = found: {duration(after)} after the step was taken")
    if not followed.ended:
        render.out("   = interrupted: the run goes on, and what it does from now on is not followed")


def _bound(delay: Delay) -> str:
    return (
        f"sabotage that begins now and goes on is found in about {duration(delay.expected)}, "
        f"{duration(delay.worst)} at most"
    )
