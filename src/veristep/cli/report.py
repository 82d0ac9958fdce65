"""`veristep report RUN`: one HTML file about a run, to be opened offline."""

from __future__ import annotations

import time
from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.errors import ExitStatus, StorageError


@click.command("report")
@click.argument("run", default="last")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it [default: veristep-RUN.html in the current folder].",
)
@ledger_option
@json_option
def command(run: str, output: Path | None, ledger_path: Path | None, as_json: bool) -> int:
    """Write one HTML file about RUN (an id, its beginning, or "last").

    The file needs no network and no other file. It says what was checked and what was not; writing
    it checks nothing again but the seals of the run's log.
    """
    from veristep.case.account import gather, verdict_of
    from veristep.case.report import build
    from veristep.core.verdicts import SCHEMA
    from veristep.replay import recorded as records

    with open_ledger(ledger_path) as ledger:
        account = gather(ledger, records.find(ledger, run), time.time_ns())
    run_id = account.subject.overview.run
    path = output or Path(f"veristep-{run_id}.html")
    try:
        path.write_text(build(account), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror}", hint="name another file with -o"
        ) from error
    verdict, sentence = verdict_of(account)
    if as_json:
        value = {"run": run_id, "verdict": verdict.value, "reason": sentence, "path": str(path)}
        render.as_json({"schema": SCHEMA, **value})
    else:
        render.out(f"{path}: {render.verdict(verdict)}")
    error_found = account.subject.error
    return int(error_found.exit_status if error_found else ExitStatus.CLEAN)
