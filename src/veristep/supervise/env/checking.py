"""Checking an environment against the reference that is on record."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from veristep.core.checks import CheckResult, judge
from veristep.errors import VeristepError
from veristep.guard.env.layout import Layout
from veristep.guard.env.reference import from_bytes
from veristep.guard.policy import Policy
from veristep.ledger.log import Ledger
from veristep.supervise.env import locking, outside, telling
from veristep.supervise.env.affected import Affected
from veristep.supervise.env.outside import Answer, Request

_PURPOSE = "environment-memory"
_TIMEOUT = 600.0


def memory_place(layout: Layout) -> Path:
    """Return the file in which what was read of an environment is remembered."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    name = hashlib.sha256(layout.prefix.encode()).hexdigest()[:24]
    return cache / "veristep" / "environments-read" / name


def request(
    ledger: Ledger,
    layout: Layout,
    *,
    variables: Mapping[str, str] | None = None,
    cwd: str = "",
    script_folder: str = "",
    full: bool = False,
    byte_code: bool = True,
) -> tuple[Request, str]:
    """Return what to ask about an environment, and why its reference cannot be used, if so."""
    trouble = ""
    reference = b""
    try:
        found = locking.latest(ledger, layout.prefix)
        if found is None:
            trouble = "the environment is not locked: veristep env lock"
        else:
            reference = found[1]
    except VeristepError as error:
        trouble = f"its reference cannot be read: {error.message}"
    place = memory_place(layout)
    asked = Request(
        layout,
        reference,
        # With byte code and without are two surveys: each would forget what the other read.
        place.with_suffix(".all" if byte_code else ".source"),
        ledger.secret(_PURPOSE),
        variables=variables or {},
        cwd=cwd,
        script_folder=script_folder,
        full=full,
        byte_code=byte_code,
    )
    return asked, trouble


def check(
    ledger: Ledger,
    layout: Layout,
    *,
    full: bool = False,
    byte_code: bool = True,
    diff: bool = False,
    rules: Policy = Policy(),  # noqa: B008 - it is immutable
) -> tuple[CheckResult, Answer]:
    """Return the verdict on an environment.

    Args:
        ledger: has its reference.
        layout: the environment.
        rules: what is done about which findings.
        full: read every byte.
        byte_code: look at cached byte code too.
        diff: fetch what was published, to show how sources differ.

    Raises:
        UnavailableError: it cannot be looked at.
    """
    asked, trouble = request(ledger, layout, full=full, byte_code=byte_code)
    answer = outside.ask(asked, _TIMEOUT)
    findings = rules.apply(answer.findings, datetime.now(UTC).date())
    if findings:
        findings = Affected(ledger).named(findings)
        if diff and asked.reference:
            findings = telling.with_differences(layout, from_bytes(asked.reference), findings)
    return judge(answer.coverage, findings, reason="" if findings else trouble), answer


def preflight(
    ledger: Ledger,
    layout: Layout,
    *,
    variables: Mapping[str, str],
    cwd: str,
    script_folder: str,
    rules: Policy = Policy(),  # noqa: B008 - it is immutable
) -> tuple[CheckResult, Answer]:
    """Return the verdict on what a command would start with.

    Args:
        ledger: has the environment's reference, if any.
        layout: the environment of the command's interpreter.
        variables: it would be started with.
        cwd: where.
        script_folder: folder of its script.
        rules: what is done about which findings.

    Raises:
        UnavailableError: it cannot be looked at.
    """
    asked, trouble = request(
        ledger, layout, variables=variables, cwd=cwd, script_folder=script_folder, byte_code=False
    )
    answer = outside.ask(asked, _TIMEOUT)
    findings = rules.apply(answer.findings, datetime.now(UTC).date())
    return judge(answer.coverage, findings, reason="" if findings else trouble), answer
