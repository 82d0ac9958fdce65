"""``--sarif FILE``: what a command found, also as SARIF."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from veristep.case import sarif
from veristep.case.sarif import Invocation
from veristep.core.canonical import Json
from veristep.core.checks import CheckResult
from veristep.core.verdicts import Result
from veristep.errors import StorageError, VeristepError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def sarif_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--sarif FILE``."""
    return click.option(
        "--sarif",
        "sarif_path",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        metavar="FILE",
        help="Also write the result as SARIF 2.1.0; - writes it to the standard output.",
    )(function)


class Report:
    """A SARIF log in the making."""

    def __init__(self, path: Path | None, command: str) -> None:
        self._path = path
        self._command = command
        self._began = _now()
        self._written = False

    def result(
        self,
        result: Result | CheckResult,
        status: int,
        subject: str,
        *,
        uri: str = "",
        properties: Mapping[str, Json] | None = None,
    ) -> None:
        """Write what was found.

        Raises:
            StorageError: the file cannot be written.
        """
        invocation = Invocation(
            self._command, status, subject, uri, self._began, _now(), dict(properties or {})
        )
        self._write(sarif.log(result, invocation))

    def error(self, error: VeristepError) -> None:
        """Write why nothing was found out, unless the result is written already."""
        if not self._written:
            invocation = Invocation(self._command, int(error.exit_status), began=self._began, ended=_now())
            self._write(sarif.log(None, invocation, error))

    def _write(self, log: dict[str, Json]) -> None:
        if self._path is None:
            return
        text = json.dumps(log, indent=2, ensure_ascii=False) + "\n"
        if str(self._path) == "-":
            sys.stdout.write(text)
        else:
            _replace(self._path, text)
        self._written = True


@contextmanager
def report(path: Path | None, command: str) -> Iterator[Report]:
    """Provide the log of a command; an error that ends it stands in the log too."""
    made = Report(path, command)
    try:
        yield made
    except StorageError:
        raise
    except VeristepError as error:
        made.error(error)
        raise


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            f"the SARIF log {path} could not be written: {error.strerror}",
            hint="name a file in a folder that exists and can be written; the verdict is in the ledger",
        ) from error


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
