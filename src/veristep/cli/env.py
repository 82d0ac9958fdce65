"""`veristep env`: what is installed against what was published."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli import checked, render
from veristep.cli.options import json_option, ledger_option, ledger_path_or_default
from veristep.cli.sarif import report, sarif_option
from veristep.core.verdicts import SCHEMA, Severity
from veristep.errors import ExitStatus

if TYPE_CHECKING:
    from veristep.guard.env.layout import Layout

_environment = click.argument(
    "environment", required=False, metavar="[ENV]", type=click.Path(path_type=Path)
)


@click.group("env")
def command() -> None:
    """Compare what is installed with what was published.

    ENV is a folder with a Python environment, or its interpreter [default: the active virtual environment,
    else the one of the `python3` that is found first].
    """


@command.command("lock")
@_environment
@ledger_option
@click.option("--refresh", is_flag=True, help="Fetch every file from the registry again.")
@json_option
def lock(environment: Path | None, ledger_path: Path | None, refresh: bool, as_json: bool) -> int:
    """Put on record what ENV has to consist of, from the registry's own files."""
    from veristep.guard.env.reference import Source
    from veristep.ledger.log import Ledger
    from veristep.supervise.env import locking

    layout = _layout(environment)
    with Ledger.open(ledger_path_or_default(ledger_path), create=True) as ledger:
        _, reference = locking.lock(ledger, layout, render.note, refresh=refresh)
    published = list(reference.verified())
    files = sum(len(each.files) for each in published)
    others = [each for each in reference.distributions if each.source is Source.SEEN]
    if as_json:
        render.as_json(
            {
                "schema": SCHEMA,
                "prefix": layout.prefix,
                "python": layout.version,
                "distributions": len(reference.distributions),
                "published": len(published),
                "files": files,
                "byte_code": len(reference.byte_code),
                "unverified": [
                    {"name": each.name, "version": each.version, "why": each.why} for each in others
                ],
            }
        )
        return int(ExitStatus.CLEAN)
    render.out(f"locked   {layout.prefix}")
    render.out(
        f"from the registry   {len(published)} of {len(reference.distributions)} distributions, "
        f"{files} files"
    )
    for each in others:
        render.out(f"   = not from the registry: {each.title}: {each.why}; as it stands here")
    render.out(f"   = as it stands here: {len(reference.seen)} files of the standard library")
    render.out("   = next: veristep env check")
    return int(ExitStatus.CLEAN)


@command.command("check")
@_environment
@ledger_option
@click.option("--full", is_flag=True, help="Read every byte, also of files that seem unchanged.")
@click.option("--diff", is_flag=True, help="Fetch what was published, and show how edited sources differ.")
@checked.fail_on_option
@json_option
@sarif_option
def check(
    environment: Path | None,
    ledger_path: Path | None,
    full: bool,
    diff: bool,
    fail_on: Severity,
    as_json: bool,
    sarif_path: Path | None,
) -> int:
    """Compare ENV with what was put on record. Nothing of it is executed.

    The policy of this folder says which findings are lived with.
    """
    from veristep.guard import policy
    from veristep.ledger.log import Ledger
    from veristep.supervise.env import checking

    with report(sarif_path, "env check") as log:
        layout = _layout(environment)
        with Ledger.open(ledger_path_or_default(ledger_path), create=True) as ledger:
            result, answer = checking.check(
                ledger, layout, full=full, diff=diff, rules=policy.find(Path.cwd())
            )
        more = {"files": answer.files, "read": answer.read, "seconds": answer.seconds}
        return checked.tell(
            result, as_json=as_json, sarif=log, subject=layout.prefix, fail_on=fail_on, more=more
        )


@command.command("preflight")
@ledger_option
@checked.fail_on_option
@json_option
@sarif_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARGS]...]")
def preflight(
    ledger_path: Path | None,
    fail_on: Severity,
    as_json: bool,
    sarif_path: Path | None,
    arguments: tuple[str, ...],
) -> int:
    """Say what `veristep run -- COMMAND` would say before it starts COMMAND, and start nothing.

    Without COMMAND, of `python3`. Variables and folders are the ones of this shell.
    """
    import os

    from veristep.errors import UsageError
    from veristep.guard import policy
    from veristep.guard.env import layout
    from veristep.ledger.log import Ledger
    from veristep.supervise.checks.environment import script_folder, variables
    from veristep.supervise.env import checking

    words = arguments or ("python3",)
    executable = layout.interpreter_of(words, os.environ)
    if not executable:
        raise UsageError(
            f"which Python {words[0]!r} starts cannot be told before it runs",
            hint="name the interpreter: veristep env preflight -- python train.py",
        )
    with report(sarif_path, "env preflight") as log:
        place = layout.of_executable(executable, os.environ)
        cwd = Path.cwd()
        with Ledger.open(ledger_path_or_default(ledger_path), create=True) as ledger:
            result, answer = checking.preflight(
                ledger,
                place,
                variables=variables(os.environ),
                cwd=str(cwd),
                script_folder=script_folder(words, cwd),
                rules=policy.find(cwd),
            )
        more = {"seconds": answer.seconds}
        return checked.tell(
            result, as_json=as_json, sarif=log, subject=place.prefix, fail_on=fail_on, more=more
        )


def _layout(environment: Path | None) -> Layout:
    import os
    import shutil

    from veristep.guard.env import layout

    if environment is not None:
        return layout.of_folder(environment)
    active = os.environ.get("VIRTUAL_ENV")
    if active:
        return layout.of_folder(Path(active))
    found = layout.interpreter_of(["python3"], os.environ)
    return layout.of_executable(found or shutil.which("python3") or sys.executable)
