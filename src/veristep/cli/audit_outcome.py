"""What an audit says besides its findings: the risk left, the stretches, where the draw rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veristep.cli import render
from veristep.core.verdicts import Severity, Verdict
from veristep.errors import ExitStatus

if TYPE_CHECKING:
    from veristep.replay.audit import Audit
    from veristep.replay.course import Course
    from veristep.replay.plan.preview import Preview
    from veristep.replay.plan.stretch import Stretch
    from veristep.replay.resuming import Begun


def course(value: Course, total: int) -> None:
    """Print how an audit went."""
    for each in value.stretches:
        render.out(f"   = stretch: {_stretch(each)}")
    if value.tainted_from is not None:
        render.out(f"   = tainted: {_tainted(value)}")
    for line in _risk(value, total):
        render.out(f"   = risk: {line}")
    render.out(f"   = draw: {_draw(value)}")


def plan(value: Preview) -> None:
    """Print what an audit would take."""
    from veristep.case.wording import duration, plain
    from veristep.replay.plan.risk import percent

    covered = f"{value.steps} of {value.steps_total} steps"
    render.out(f"plan: {value.asked} of {value.intervals} intervals would be replayed")
    render.out(f"   = intervals: {value.intervals}, which hold {covered}")
    for reason, count in value.not_covered.items():
        render.out(f"   = not covered: {count} steps: {plain(reason)}; no risk is stated for them")
    if value.replayable < value.intervals:
        missing = value.intervals - value.replayable
        render.out(
            f"   = not replayable: {missing} intervals: no place near the script's start is like theirs"
        )
    share = percent(value.share(value.asked_seconds))
    known = "as in the last audit" if value.measured else "from the run's own times, its start included"
    render.out(
        f"   = cost: about {duration(value.asked_seconds)} of replays, one after another ({share} of the "
        f"training's {duration(value.training_seconds)}): {duration(value.interval_seconds)} each, {known}"
    )
    if value.intervals:
        meant = f"{_intervals(value.tampered)} of {value.intervals}"
        render.out(f"   = risk of missing it, were {meant} tampered with:")
        rows = [_row(value, number) for number in range(len(value.rows))]
        for row in [["limit", "intervals", "cost"], *rows]:
            render.out("     " + "  ".join(f"{cell:>10}" for cell in row).rstrip())
        render.out(f"   = least risk that can be reached: {percent(value.floor)}")
    if value.intervals and value.tampered * 100 > value.intervals * 2:
        render.out(
            "   = few snapshots: one interval is a large share of this run; more of them "
            "(veristep run --interval N) make a limit cheaper to reach"
        )
    if not value.reachable:
        render.out(f"   = not reachable: {value.asked} clean intervals are needed for what was asked")


def _row(value: Preview, number: int) -> list[str]:
    from veristep.replay.plan.risk import percent

    row = value.rows[number]
    if row.count is None:
        return [percent(row.limit), "not reachable", ""]
    return [percent(row.limit), str(row.count), f"{percent(value.share(row.seconds))} of training"]


def _stretch(each: Stretch) -> str:
    steps = f"steps {each.start} to {each.stop - 1}"
    size = each.last - each.first + 1
    what = f"{each.violated} of {_intervals(size)} replayed and violated" if each.unchecked else (
        f"{_intervals(size)}, violated"
    )  # fmt: skip
    seen = "" if each.differs is None else f", step {each.differs} being the first seen to differ"
    rest = f", {each.unchecked} in between not replayed" if each.unchecked else ""
    return f"{steps}: {what}{rest}{seen}; before it {each.before}, after it {each.after}"


def _tainted(value: Course) -> str:
    count, clean = value.earlier
    text = (
        f"every state after step {value.tainted_from} descends from a changed one, "
        "though later intervals can replay clean by themselves"
    )
    if count > clean:
        text += f"; {count - clean} of the {_intervals(count)} before it were not shown clean"
    return text


def _risk(value: Course, total: int) -> list[str]:
    from veristep.replay.plan.risk import percent

    lines = []
    if value.limit is not None:
        asked, bound, reached = value.limit
        if reached:
            lines.append(f"the limit of {percent(asked.limit)} is reached")
        elif value.bounds:
            lines.append(
                f"the limit of {percent(asked.limit)} was NOT reached: {value.clean} of {total} intervals "
                f"could be replayed clean, which leaves {percent(bound.chance)}"
            )
        else:
            lines.append("tampering was found: drawing ended, and no limit is stated")
    for bound in value.bounds:
        what = _intervals(bound.tampered)
        lines.append(
            f"had {what} of {total} been tampered with, the chance of missing it all was "
            f"{percent(bound.chance)}"
        )
    if value.unjudged:
        lines.append(f"of what {_intervals(value.unjudged)} drawn and not judged may hide, nothing is said")
    if value.given:
        lines.append("none is stated: the intervals were named, not drawn")
    return lines


def _draw(value: Course) -> str:
    from veristep.replay.draw.derive import Binding

    if value.given:
        return "none"
    if value.binding is Binding.COMMITTED:
        return "from the nonce committed to before the run ended; veristep audit verify-draw checks it"
    return (
        f"from a fresh nonce ({value.why_fresh}): nobody could foresee it, but it binds whoever audits to "
        "nothing"
    )


def _intervals(count: int) -> str:
    return "1 interval" if count == 1 else f"{count} intervals"


def status(audit: Audit, fail_on: Severity) -> int:
    """Return the exit status of an audit."""
    ranks = list(Severity)
    worst = [each for each in audit.result.findings if ranks.index(each.severity) >= ranks.index(fail_on)]
    if worst:
        return int(ExitStatus.FINDINGS)
    short = audit.course is not None and audit.course.falls_short
    if short or any(each.verdict is not Verdict.VERIFIED for each in audit.judged) or not audit.judged:
        return int(ExitStatus.INCOMPLETE)
    return int(ExitStatus.CLEAN)


def begun(value: Begun) -> None:
    """Say when an audit goes on with an earlier one, and when it could not be gone on with."""
    if value.known:
        verdicts = "1 verdict is" if value.known == 1 else f"{value.known} verdicts are"
        render.note(f"going on with an audit that was interrupted: {verdicts} known; --anew begins anew")
    elif value.journal is not None and value.journal.resumed:
        render.note("going on with an audit that was interrupted before anything was judged")
    if value.trouble:
        render.note(f"an interruption will lose what was judged: {value.trouble}")
