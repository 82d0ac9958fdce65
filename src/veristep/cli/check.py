"""`veristep check -- COMMAND`: is this script replayable, and if not, why not?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import json_option
from veristep.core.verdicts import SCHEMA, Verdict
from veristep.errors import ExitStatus


@click.command("check", context_settings={"allow_interspersed_args": False})
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=40.0,
    help="How long the command may take to its first steps [default: 40].",
)
@json_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
def command(seconds: float, as_json: bool, arguments: tuple[str, ...]) -> int:
    """Record the first steps of COMMAND, replay them, and say whether the script can be audited.

    Works in a copy of the working directory: nothing the command writes stays.
    """
    from veristep.replay.check import check
    from veristep.supervise.launcher import require

    require(arguments)
    with tempfile.TemporaryDirectory(prefix="vsc-") as folder:
        checked = check(arguments, Path(folder), seconds)
    if as_json:
        render.as_json(
            {
                "schema": SCHEMA,
                "verdict": checked.verdict.value,
                "steps": checked.steps,
                "reasons": list(checked.reasons),
                "advice": list(checked.advice),
            }
        )
    else:
        _print(checked.verdict, checked.steps, checked.reasons, checked.advice)
    return int(ExitStatus.CLEAN if checked.verdict is Verdict.VERIFIED else ExitStatus.INCOMPLETE)


def _print(verdict: Verdict, steps: int, reasons: tuple[str, ...], advice: tuple[str, ...]) -> None:
    if verdict is Verdict.VERIFIED:
        render.out(f"replayable: its first {steps} steps replay bit for bit")
    elif verdict is Verdict.VIOLATED:
        render.out("not replayable: a replay of its own steps gives another result every time the same")
    else:
        render.out(f"not replayable ({verdict.value})")
    for reason in reasons:
        render.out(f"   = why: {reason}")
    for each in advice:
        render.out(f"   = hint: {each}")
