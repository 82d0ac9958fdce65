"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veristep.cli import render

if TYPE_CHECKING:
    from veristep.ledger.log import Ledger

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def ledger_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--ledger DIR``: the ledger to use; also ``VERISTEP_LEDGER``."""
    return click.option(
        "--ledger",
        "ledger_path",
        # What lies there is not looked at here: `run` must start its command whatever it is.
        type=click.Path(path_type=Path),
        envvar="VERISTEP_LEDGER",
        help="The ledger's directory [default: under the XDG data home; env: VERISTEP_LEDGER].",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json``: machine-readable output."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, schema veristep/1.")(function)


def ledger_path_or_default(path: Path | None) -> Path:
    """Return the ledger's directory."""
    from veristep.ledger.log import default_path

    return path if path is not None else default_path()


def open_ledger(path: Path | None) -> Ledger:
    """Open the ledger for reading runs, after sealing what runs without a supervisor left behind.

    Raises:
        VeristepError: it cannot be opened.
    """
    from veristep.errors import StorageError
    from veristep.ledger.log import Ledger
    from veristep.supervise.recover import recover_lost_runs

    ledger = Ledger.open(ledger_path_or_default(path))
    try:
        recover_lost_runs(ledger)
    except StorageError as error:
        render.note(f"what a run without a supervisor left could not be sealed: {error}")
    except BaseException:
        ledger.close()
        raise
    return ledger
