"""`veristep data seen`: which steps of which runs trained on a sample or a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.errors import ExitStatus, UsageError, VeristepError

if TYPE_CHECKING:
    from veristep.core.canonical import Json
    from veristep.core.verdicts import Finding
    from veristep.ledger.log import Ledger
    from veristep.replay.seen import Seen

# A finding tells of the latest runs; the command of all.
MOST_RUNS = 20


@click.command("seen")
@click.argument("file", required=False)
@ledger_option
@click.option("--sample", "samples", metavar="N,N-M", help="Indices in the data set: 17, or 3,100-199.")
@click.option("--run", "run", help='Only this run (an id, its beginning, or "last").')
@click.option("--dataset", default="", metavar="CLASS:LEN", help="Only data sets of this class and length.")
@json_option
def command(
    file: str | None,
    ledger_path: Path | None,
    samples: str | None,
    run: str | None,
    dataset: str,
    as_json: bool,
) -> int:
    """Tell which steps of which runs trained on FILE, or on samples of a map-style data set.

    Exit status 3 when part of a run's batches cannot be told of.
    """
    from veristep.core.verdicts import SCHEMA
    from veristep.replay import recorded

    if (file is None) == (samples is None):
        raise UsageError("name a file, or samples", hint="veristep data seen data/a.png, or --sample 17")
    wanted = _numbers(samples) if samples is not None else frozenset()
    unknown: dict[str, int] = {}
    seen: list[Seen] = []
    with open_ledger(ledger_path) as ledger:
        runs = [recorded.find(ledger, run)] if run else _runs(ledger)
        for each in runs:
            found, missed = _look(ledger, each, os.path.abspath(file) if file else "", wanted, dataset)  # noqa: PTH100
            seen += found
            for why, count in missed.items():
                unknown[why] = unknown.get(why, 0) + count
    if as_json:
        rows: list[Json] = [{**asdict(each), "how": each.how.value} for each in seen]
        render.as_json({"schema": SCHEMA, "runs": len(runs), "seen": rows, "unknown": unknown})
    else:
        _tell(seen, len(runs), unknown)
    return int(ExitStatus.INCOMPLETE if unknown else ExitStatus.CLEAN)


def annotated(ledger: Ledger, findings: Iterable[Finding]) -> list[Finding]:
    """Return findings about files, each with the steps of the latest runs that trained on its file."""
    found = list(findings)
    if not any(each.evidence.get("path") for each in found):
        return found
    runs = _runs(ledger)[-MOST_RUNS:]
    return [_annotated(ledger, each, runs) for each in found]


def _annotated(ledger: Ledger, finding: Finding, runs: list[str]) -> Finding:
    path = str(finding.evidence.get("path") or "")
    if not path or finding.rule == "DATA004":
        return finding
    seen = [each for run in runs for each in _look(ledger, run, path, frozenset(), "")[0] if each.steps]
    if not seen:
        return finding
    before = str(finding.evidence.get("detail") or "")
    words = "; ".join(
        [*([before] if before else []), *(f"trained on: {_in_words(each)}" for each in seen[:5])]
    )
    rows: list[Json] = [
        {"run": each.run, "stream": each.stream, "steps": list(each.steps), "how": each.how.value}
        for each in seen
    ]
    return replace(finding, evidence={**finding.evidence, "detail": words, "trained_on": rows})


def _look(
    ledger: Ledger, run: str, path: str, samples: frozenset[int], dataset: str
) -> tuple[list[Seen], dict[str, int]]:
    from veristep.replay import recorded
    from veristep.replay import seen as seeing

    try:
        record = recorded.load(ledger, run)
        if path:
            return seeing.of_file(record, path)
        return seeing.of_samples(record, samples, dataset)
    except VeristepError as error:
        return [], {f"run {run}: {error}": 1}


def _runs(ledger: Ledger) -> list[str]:
    return [entry.run for entry in ledger.entries(kind="run.opened")]


def _numbers(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"--sample {text!r} is not a list of numbers", hint="for example 17,100-199")
        start, stop = int(first), int(last or first)
        if stop - start > 10_000_000:
            raise UsageError(f"--sample {part} names more than ten million samples")
        found.update(range(start, stop + 1))
    return frozenset(found)


def _tell(seen: list[Seen], runs: int, unknown: dict[str, int]) -> None:
    from veristep.case.wording import plain

    for each in seen:
        render.out(plain(_in_words(each)))
        render.out(f"   = known: {each.how.value}" + (f"; {each.uncertain}" if each.uncertain else ""))
    if not seen:
        render.out(f"no step of {runs} runs was seen to train on it")
    for why, count in unknown.items():
        render.out(f"   = not known: {count}: {plain(why)}")


def _in_words(seen: Seen) -> str:
    who = f"run {seen.run} rank {seen.stream}"
    if not seen.steps:
        return f"{who}: no step"
    return f"{who}: {len(seen.steps)} of {seen.total} steps: {_ranges(seen.steps)}"


def _ranges(steps: tuple[int, ...]) -> str:
    """Return numbers as ranges, the first twenty of them."""
    parts: list[list[int]] = []
    for step in steps:
        if parts and step == parts[-1][1] + 1:
            parts[-1][1] = step
        else:
            parts.append([step, step])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in parts[:20]]
    return ", ".join(shown) + (f" and {len(parts) - 20} more" if len(parts) > 20 else "")
