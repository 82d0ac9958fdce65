"""`veristep run -- COMMAND`: record a training command without changing it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import ledger_option, ledger_path_or_default

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(|[kmgt]i?b|b)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1} | {
    f"{letter}{binary}b": (1024 if binary else 1000) ** power
    for power, letter in enumerate("kmgt", 1)
    for binary in ("", "i")
}


@click.command("run", context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@ledger_option
@click.option(
    "--project",
    default="",
    envvar="VERISTEP_PROJECT",
    help="The run's project [default: the repository's name].",
)
@click.option(
    "--interval",
    type=click.IntRange(min=0),
    default=0,
    help="Steps between snapshots; 0 lets their measured cost decide [default: 0].",
)
@click.option(
    "--digests",
    type=click.Choice(["auto", "full"]),
    default="auto",
    help="Digest every block at every step (full), or what fits 1 % of step time (auto).",
)
@click.option(
    "--snapshot-overhead",
    default="0.3%",
    metavar="SHARE",
    help="Share of training time that snapshots may cost [default: 0.3%].",
)
@click.option(
    "--snapshot-bytes",
    default="",
    metavar="SIZE",
    help="Room the run's snapshots may take, such as 20GiB; beyond it they are thinned out evenly "
    "[default: a quarter of what is free on the ledger's disk].",
)
@click.option(
    "--data",
    multiple=True,
    metavar="NAME",
    help="Locked data that the run reads (a name, a folder, a root digest): checked beside the run. "
    "May be given again; also [data] manifests in veristep.toml.",
)
@click.option(
    "--receipt/--no-receipt",
    default=None,
    help="Print five lines about the record at the end [default: when stderr is a terminal].",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
def command(
    ledger_path: Path | None,
    project: str,
    interval: int,
    digests: str,
    snapshot_overhead: str,
    snapshot_bytes: str,
    data: tuple[str, ...],
    receipt: bool | None,
    arguments: tuple[str, ...],
) -> int:
    """Run COMMAND as it is, and record every optimizer step of it.

    Its output, its signals and its exit status are its own.
    """
    from veristep.supervise.child import end_like
    from veristep.supervise.launcher import RunOptions, run

    options = RunOptions(
        ledger=ledger_path_or_default(ledger_path),
        project=project,
        interval=interval,
        digests=digests,
        snapshot_share=_share(snapshot_overhead),
        snapshot_bytes=_bytes(snapshot_bytes) if snapshot_bytes else 0,
        data=data,
    )
    ended = run(arguments, options)
    if receipt or (receipt is None and sys.stderr.isatty()):
        for line in ended.lines:
            render.note(line)
    sys.stdout.flush()
    return end_like(ended.returncode)


def _share(text: str) -> float:
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise click.BadParameter(f"{text!r} is not a share, such as 1%", param_hint="--snapshot-overhead")
    return value


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
    if size <= 0:
        raise click.BadParameter(
            f"{text!r} is not a size, such as 500MB or 20GiB", param_hint="--snapshot-bytes"
        )
    return size
