"""What an audit says while it runs: sparse in a log, live on a terminal, nothing where the verdict goes."""

from __future__ import annotations

import io

from rich.console import Console
from rich.live import Live

from veristep.cli.audit_view import Lines, Picture, cells, left
from veristep.core.verdicts import Verdict
from veristep.replay.audit import Judged
from veristep.replay.plan.intervals import Interval


def interval(number: int) -> Interval:
    return Interval(number, 10 * number, 10 * number + 10, ("0",), True)


def judged(number: int, verdict: Verdict = Verdict.VERIFIED) -> Judged:
    return Judged(interval(number), verdict, "" if verdict is Verdict.VERIFIED else "why", seconds=2.0)


def test_a_log_gets_a_line_per_tenth_and_one_for_whatever_is_not_verified() -> None:
    said: list[str] = []
    lines = Lines(said.append, lambda: 0.0)
    for number in range(100):
        lines.show(judged(number, Verdict.UNVERIFIED if number == 42 else Verdict.VERIFIED), 100)
    assert len(said) == 11
    assert [line for line in said if "unverified" in line] == [
        "43 of 100: steps 420 to 429: unverified (2.0 s): why; about 0 ms left"
    ]


def test_a_log_gets_a_line_a_minute_while_nothing_is_done() -> None:
    said: list[str] = []
    times = iter(range(0, 1000, 2))
    lines = Lines(said.append, lambda: next(times))
    lines.started(interval(0))
    for _ in range(90):
        lines.tick()
    assert said == ["0 judged, 1 running"] * len(said)
    assert 2 <= len(said) <= 4


def test_a_terminal_shows_every_state_and_an_estimate() -> None:
    now = 0.0
    console = Console(file=io.StringIO(), force_terminal=True, width=40)
    with Live(console=console, auto_refresh=False) as live:
        picture = Picture([interval(number) for number in range(6)], live, console, lambda: now)
        picture.planned([interval(number) for number in (1, 2, 4, 5)])
        picture.started(interval(1))
        picture.started(interval(2))
        now = 10.0
        picture.show(judged(1), 4)
        picture.show(judged(2, Verdict.VIOLATED), 4)
        picture.started(interval(4))
        now = 12.0
        shown = str(picture.picture(40))
    first, counts, running, about = shown.splitlines()
    assert first == " ■✗ ▸·"
    assert counts == "1 verified, 1 violated, 1 running, 1 pending"
    assert running == "steps 40 to 49 for 2.0 s"
    assert about == "about 12.0 s left"


def test_more_intervals_than_places_share_them_and_the_worst_shows() -> None:
    states = ["verified"] * 999 + ["violated"] + ["verified"] * 1000
    shown = cells(states, 50)
    assert len(shown) == 50
    assert shown.count("violated") == 1
    assert cells(states, 5000) == states


def test_no_estimate_is_made_before_there_is_anything_to_estimate_from() -> None:
    assert left(10.0, 0, 5) == ""
    assert left(10.0, 5, 5) == ""
    assert left(10.0, 1, 5) == "about 40.0 s left"
