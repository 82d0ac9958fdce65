"""`veristep demo`: the whole job in three minutes, on real training."""

from __future__ import annotations

import time
from pathlib import Path

import click

from veristep.cli import render
from veristep.errors import ExitStatus


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-out"),
    help="Where it works and what it leaves [default: demo-out]. It is emptied first.",
)
def command(folder: Path) -> int:
    """Train a small network, audit it, sabotage a second training harmlessly, and catch it."""
    from veristep.drill.rehearsal import rehearse

    began = time.monotonic()
    done = rehearse(folder.resolve(), render.out)
    render.out()
    render.out("Summary")
    render.out(f"   honest run      {done.honest['verdict']}")
    render.out(f"   sabotaged run   {done.sabotaged['verdict']}")
    render.out(f"   planted         a reversed update at steps {', '.join(map(str, done.planted))}")
    for step, tensor, what in done.found:
        render.out(f"   found           step {step}: {what} differs, first in {tensor}")
    render.out(f"   ledger          {'consistent' if done.ledger == 0 else 'NOT consistent'}")
    render.out(f"   took            {time.monotonic() - began:.0f} s")
    render.out()
    ledger = f"--ledger {folder}/ledger"
    render.out("Look around")
    render.out(f"   veristep runs {ledger}")
    render.out(f"   veristep show last {ledger}")
    render.out(f"   veristep report last {ledger} -o {folder}/report.html")
    render.out(f"   veristep verify {folder}/work/out/digits.pt {ledger}")
    if not done.as_expected:
        render.note("this is not what the demonstration should show; please report it")
        return int(ExitStatus.FAILED)
    return int(ExitStatus.CLEAN)
