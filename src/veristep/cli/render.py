"""How Veristep speaks: plain text that reads like a good compiler's, JSON when asked."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from veristep.case.measured import in_words, measured
from veristep.case.wording import plain
from veristep.core.verdicts import Finding, Result, Verdict
from veristep.errors import VeristepError

_COLOURS = {
    Verdict.VERIFIED: "green",
    Verdict.VIOLATED: "red",
    Verdict.UNVERIFIED: "yellow",
    Verdict.NOT_COVERED: "yellow",
}


def out(text: str = "") -> None:
    """Print a line of what was asked for."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line that is not what was asked for: progress, hints."""
    sys.stderr.write(f"veristep: {text}\n")
    sys.stderr.flush()


def as_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a value as indented JSON."""
    out(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def error(failure: VeristepError) -> None:
    """Print an error: what and where, then what to do."""
    sys.stderr.write(f"{styled('error', 'red')}[{failure.code}]: {plain(failure.message)}\n")
    if failure.hint:
        sys.stderr.write(f"   = hint: {plain(failure.hint)}\n")


def crash(failure: Exception) -> None:
    """Print an error nobody foresaw, with what a report of it needs."""
    sys.stderr.write("error[bug]: Veristep itself failed; nothing it had recorded is lost\n")
    traceback.print_exception(failure, file=sys.stderr)


def styled(text: str, colour: str, *, stream: Any = None) -> str:
    """Return text in colour on a terminal, plain elsewhere (and with NO_COLOR)."""
    target = stream or sys.stderr
    if os.environ.get("NO_COLOR") or not getattr(target, "isatty", lambda: False)():
        return text
    codes = {"red": "31;1", "green": "32;1", "yellow": "33;1", "dim": "2"}
    return f"\x1b[{codes[colour]}m{text}\x1b[0m"


def verdict(value: Verdict) -> str:
    """Return a verdict as a word, coloured on a terminal."""
    return styled(value.value, _COLOURS[value], stream=sys.stdout)


def result(value: Result) -> None:
    """Print a verdict with its findings and coverage."""
    for each in value.findings:
        finding(each)
    reason = f": {plain(value.reason)}" if value.reason else ""
    out(f"{verdict(value.verdict)}{reason}")
    for line in coverage_lines(value):
        out(f"   = {line}")


def finding(value: Finding) -> None:
    """Print one finding: what, where, expected and got."""
    head = styled(f"{value.severity.value}[{value.rule}]", "red", stream=sys.stdout)
    out(f"{head}: {plain(value.summary)}")
    for line in finding_lines(value):
        out(f"  {line}")


def finding_lines(value: Finding) -> list[str]:
    """Return what stands below a finding's first line: where it is, and what it rests on."""
    evidence = value.evidence
    lines = [f"--> {where}" for where in _places(value)]
    replayed = value.rule.startswith(("RPL", "STEP"))
    labels = ("recorded", "replayed") if replayed else ("expected", "got")
    if evidence.get("expected"):
        lines += [
            f" | {label:<9} {plain(str(evidence.get(name, ''))[: 200 if not replayed else 64])}"
            for label, name in zip(labels, ("expected", "got"), strict=True)
        ]
    tensors = evidence.get("tensors")
    if isinstance(tensors, (list, tuple)) and tensors:
        more = f" and {len(tensors) - 1} more" if len(tensors) > 1 else ""
        lines.append(f" | tensor    {plain(tensors[0])}{more}")
    sizes = measured(evidence)
    if sizes is not None:
        lines.append(f" | size      {plain(in_words(sizes))}")
    if evidence.get("detail"):
        lines.append(f" | detail    {plain(str(evidence['detail']))}")
    for suspect in value.suspects:
        if suspect.what != "tensor":
            lines.append(f" | {suspect.what:<9} {plain(suspect.value)} ({plain(suspect.how_known)})")
    certain, step = evidence.get("certain_since"), value.step
    if isinstance(certain, int) and step is not None and certain < step:
        lines.append(f" | compared  in part since step {certain}: the cause can lie that far back")
    diff = evidence.get("diff")
    if isinstance(diff, (list, tuple)):
        lines += [f" | {plain(str(line))}" for line in diff]
    if evidence.get("hint"):
        lines.append(f" = hint: {plain(str(evidence['hint']))}")
    if evidence.get("ignored"):
        lines.append(f" = ignored until {evidence.get('ignored_until')}: {plain(str(evidence['ignored']))}")
    return lines


def _places(value: Finding) -> list[str]:
    path, line = value.evidence.get("path"), value.evidence.get("line")
    places = []
    if isinstance(path, str):
        places.append(plain(path) + (f":{line}" if isinstance(line, int) else ""))
    if value.run:
        parts = [f"run {value.run}"]
        parts += [f"rank {value.rank}"] if value.rank is not None or value.step is not None else []
        parts += [f"step {value.step}"] if value.step is not None else []
        places.append(" / ".join(parts))
    return places


def _condition(name: str, outcomes: Mapping[str, int]) -> str:
    checked, total = outcomes.get("checked", 0), sum(outcomes.values())
    rest = [f"{count} not: {why}" for why, count in outcomes.items() if why != "checked"]
    return "; ".join(
        [f"conditions: {name} compared with the script's own in {checked} of {total} steps", *rest]
    )


def coverage_lines(value: Result) -> list[str]:
    """Return what a verdict rests on, line by line."""
    coverage = value.coverage
    intervals = f"{coverage.intervals_checked} of {coverage.intervals} intervals"
    steps = f"{coverage.steps_checked} of {coverage.steps} steps"
    lines = [f"coverage: {intervals}, {steps}"]
    if coverage.unconditioned:
        lines.append("coverage: unconditioned, run from its start with nothing taken as recorded")
    lines += [_condition(name, outcomes) for name, outcomes in coverage.conditions.items()]
    if coverage.blocks:
        share = 100 * coverage.blocks_checked / coverage.blocks
        blocks = f"{coverage.blocks_checked} of {coverage.blocks} blocks"
        lines.append(f"coverage: {blocks} compared in them ({share:.0f} %)")
    if coverage.in_noise:
        lines.append(f"coverage: {coverage.in_noise} steps within rounding noise only, not bit for bit")
    for reason, count in coverage.not_checked.items():
        lines.append(f"not checked: {count} steps: {plain(reason)}")
    return lines


def when(nanoseconds: int) -> str:
    """Return a wall-clock time for people, in UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with columns as wide as they need to be."""
    widths = [max(len(str(row[column])) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = (str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        out("  ".join(cells).rstrip())
