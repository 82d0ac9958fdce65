"""`veristep resume RUN`: let a run go on that the policy holds."""

from __future__ import annotations

from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, open_ledger
from veristep.core.verdicts import SCHEMA
from veristep.errors import ExitStatus, UsageError


@click.command("resume")
@click.argument("run", default="last")
@click.option("--reason", default="", help="Why it may go on; kept in the ledger.")
@ledger_option
@json_option
def command(run: str, reason: str, ledger_path: Path | None, as_json: bool) -> int:
    """Let RUN (an id, its beginning, or "last") go on that the policy holds.

    That you did is an entry of the ledger. Its supervisor wakes the processes within a second; where the
    supervisor is gone, this command does, for processes of this machine that are yours.
    """
    from veristep.replay import recorded
    from veristep.supervise import holding
    from veristep.supervise.lock import SupervisorLock

    with open_ledger(ledger_path) as ledger:
        name = recorded.find(ledger, run)
        paused = holding.pause_of(ledger, name)
        if paused is None:
            raise UsageError(f"run {name} is not held", hint=f"veristep show {name} says what became of it")
        holding.resume(ledger, paused, reason)
        lock = SupervisorLock()
        gone = lock.take_over(ledger.run_dir(name))
        lock.release()
    held = holding.held_of(paused)
    woken = holding.wake(held) if gone else 0
    if as_json:
        render.as_json({"schema": SCHEMA, "run": name, "supervised": not gone, "woken": woken})
    elif gone:
        count = f"{woken} of {len(held)} processes were woken here"
        render.out(f"resumed  {name}: its supervisor is gone; {count}")
    else:
        render.out(f"resumed  {name}: it goes on within a second")
    return int(ExitStatus.CLEAN)
