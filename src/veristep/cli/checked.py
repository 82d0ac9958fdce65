"""How a command that checked something tells of it, in every form, and ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from veristep.case.wording import plain
from veristep.cli import render
from veristep.cli.sarif import Report
from veristep.core.canonical import Json
from veristep.core.checks import CheckResult, exit_status
from veristep.core.verdicts import Severity


def fail_on_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--fail-on SEVERITY``, handed on as a `Severity` named ``fail_on``."""
    return click.option(
        "--fail-on",
        type=click.Choice([each.value for each in Severity]),
        default=Severity.ERROR.value,
        callback=lambda _context, _option, value: Severity(value),
        help="The lowest severity of a finding that makes the exit status 1 [default: error].",
    )(function)


def tell(
    result: CheckResult,
    *,
    as_json: bool,
    sarif: Report,
    subject: str,
    fail_on: Severity = Severity.ERROR,
    more: Mapping[str, Json] | None = None,
) -> int:
    """Print a result, write it as SARIF where that was asked for, and return the exit status.

    Args:
        result: what came of the check.
        as_json: print JSON in place of text.
        sarif: takes the SARIF log.
        subject: what was looked at.
        fail_on: the lowest severity of a finding that counts.
        more: further fields of the JSON form.
    """
    status = int(exit_status(result, fail_on))
    sarif.result(result, status, subject)
    if as_json:
        render.as_json({**result.to_json(), **(more or {})})
        return status
    for each in result.findings:
        render.finding(each)
    reason = f": {plain(result.reason)}" if result.reason else ""
    render.out(f"{render.verdict(result.verdict)}{reason}")
    for name, tally in result.coverage.items():
        render.out(f"   = coverage: {tally.checked} of {tally.total} {name}")
        for why, count in tally.not_checked.items():
            render.out(f"   = not checked: {count} {name}: {plain(why)}")
    rules = sorted({each.rule for each in result.findings})
    if rules:
        render.out(
            f"   = docs: veristep explain {rules[0]}"
            + (f" (also {', '.join(rules[1:])})" if rules[1:] else "")
        )
    return status
