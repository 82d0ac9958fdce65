"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

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
