"""`veristep ledger`: create and check ledgers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, ledger_path_or_default
from veristep.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from veristep.ledger.fsck import FsckReport, Problem

_folder = click.argument(
    "folder", required=False, metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False)
)


@click.group("ledger")
def command() -> None:
    """Create and check ledgers."""


@command.command("init")
@_folder
@ledger_option
@click.option("--origin", help="The name the ledger has in its checkpoints [default: made up].")
@json_option
def init(folder: Path | None, ledger_path: Path | None, origin: str | None, as_json: bool) -> int:
    """Create a ledger in DIR, an empty or missing folder.

    Prints its origin and the key that verifies it: give both to whoever shall check it later.
    """
    from veristep.core.verdicts import SCHEMA
    from veristep.ledger.log import Ledger

    with Ledger.init(_one(folder, ledger_path), origin=origin) as ledger:
        path, name, key = ledger.path, ledger.origin, ledger.vkey()
    if as_json:
        render.as_json({"schema": SCHEMA, "path": str(path), "origin": name, "vkey": key})
        return int(ExitStatus.CLEAN)
    render.out(f"ledger   {path}")
    render.out(f"origin   {name}")
    render.out(f"vkey     {key}")
    return int(ExitStatus.CLEAN)


@command.command("fsck")
@_folder
@ledger_option
@json_option
def check(folder: Path | None, ledger_path: Path | None, as_json: bool) -> int:
    """Recompute everything in a ledger that can be recomputed, and compare.

    Exit status 1 when anything is not what was sealed. What could not be checked is listed: a
    ledger is only as clean as that list is short.
    """
    from veristep.ledger.fsck import fsck

    path = _one(folder, ledger_path)
    report = fsck(path)
    if as_json:
        render.as_json(_to_json(path, report))
    else:
        _print(path, report)
    return int(ExitStatus.FINDINGS if report.problems else ExitStatus.CLEAN)


def _one(folder: Path | None, ledger_path: Path | None) -> Path:
    source = click.get_current_context().get_parameter_source("ledger_path")
    explicit = source is click.core.ParameterSource.COMMANDLINE
    if folder is not None and explicit and folder != ledger_path:
        raise UsageError(f"DIR and --ledger name two ledgers: {folder} and {ledger_path}")
    return folder if folder is not None else ledger_path_or_default(ledger_path)


def _to_json(path: Path, report: FsckReport) -> dict[str, object]:
    from veristep.core.verdicts import SCHEMA

    return {
        "schema": SCHEMA,
        "path": str(path.absolute()),
        "clean": not report.problems,
        "problems": [
            {"what": each.what, "where": each.where, "expected": each.expected, "got": each.got}
            for each in report.problems
        ],
        "checked": dict(report.checked),
        "not_checked": list(report.not_checked),
    }


def _print(path: Path, report: FsckReport) -> None:
    from veristep.case.wording import plain, plural

    for each in report.problems:
        _print_problem(each)
    state = plural(len(report.problems), "problem") if report.problems else "clean"
    if report.not_checked and not report.problems:
        state += ", apart from what was not checked"
    render.out(f"{path}: {state}")
    checked = ", ".join(f"{count} {what}" for what, count in report.checked.items())
    render.out(f"   = checked: {checked or 'nothing'}")
    for each_not in report.not_checked:
        render.out(f"   = not checked: {plain(each_not)}")


def _print_problem(problem: Problem) -> None:
    from veristep.case.wording import plain

    render.out(f"{render.styled('problem', 'red', stream=sys.stdout)}: {plain(problem.what)}")
    render.out(f"  --> {plain(problem.where)}")
    if problem.expected or problem.got:
        render.out(f"   | expected  {plain(problem.expected)}")
        render.out(f"   | got       {plain(problem.got)}")
