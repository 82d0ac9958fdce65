"""`veristep doctor`: what of Veristep can work on this machine, and where its configuration comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.case.wording import plain
from veristep.cli import render
from veristep.cli.options import json_option
from veristep.core.verdicts import SCHEMA
from veristep.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from veristep.cli.facilities.facility import Facility, State

_WIDTH = 14


@dataclass(frozen=True, slots=True)
class _Setting:
    """A value that holds here, and where it was read."""

    name: str
    value: str
    source: str


@click.command("doctor")
@json_option
def command(as_json: bool) -> int:
    """Say what of Veristep works on this machine, what is not covered without the rest, what helps.

    Nothing is sent anywhere and nothing is changed. Exit status 3 when something is missing without which
    nothing is recorded, or when the policy in this folder cannot be read.
    """
    from veristep.cli.facilities.facility import Standing, every, look

    found = [(each, look(each)) for each in every()]
    settings, problem = _settings()
    broken = [each for each, state in found if each.required and state.standing is Standing.MISSING]
    status = ExitStatus.INCOMPLETE if broken or problem else ExitStatus.CLEAN
    if as_json:
        render.as_json(
            {
                "schema": SCHEMA,
                "facilities": [_to_json(each, state) for each, state in found],
                "settings": [{"name": s.name, "value": s.value, "source": s.source} for s in settings],
                "problem": problem,
            }
        )
        return int(status)
    for each, state in found:
        _print(each, state)
    render.out("configuration")
    for setting in settings:
        render.out(f"  {setting.name:<{_WIDTH}} {plain(setting.value)}  ({plain(setting.source)})")
    if problem:
        render.out(f"  {render.styled('not heeded', 'red')}: {plain(problem)}")
    return int(status)


def _print(facility: Facility, state: State) -> None:
    colours = {"works": "green", "partly": "yellow", "missing": "red"}
    word = render.styled(f"{state.standing.value:<8}", colours[state.standing.value])
    render.out(f"{word}{facility.name:<{_WIDTH}} {plain(state.found)}")
    if state.standing.value != "works":
        render.out(f"   = for {', '.join(facility.serves)}; without it: {facility.without}")
        if state.hint:
            render.out(f"   = hint: {plain(state.hint)}")


def _to_json(facility: Facility, state: State) -> dict[str, object]:
    return {
        "name": facility.name,
        "standing": state.standing.value,
        "found": state.found,
        "hint": state.hint,
        "serves": list(facility.serves),
        "without": facility.without,
        "required": facility.required,
    }


def _settings() -> tuple[list[_Setting], str]:
    """Return what holds in this folder, and why the policy is not heeded, if so."""
    from veristep.guard import policy
    from veristep.ledger.layout import default_path

    own = "VERISTEP_LEDGER" if os.environ.get("VERISTEP_LEDGER") else "default"
    settings = [_Setting("ledger", str(default_path()), own)]
    settings += [
        _Setting(name, value, "environment variable")
        for name, value in sorted(os.environ.items())
        if name.startswith("VERISTEP_") and name not in ("VERISTEP_LEDGER", "VERISTEP_RUN")
    ]
    try:
        found = policy.find(Path.cwd())
    except UsageError as error:
        return settings, error.message + (f" ({error.hint})" if error.hint else "")
    source = found.source or "default"
    settings.append(_Setting("policy", found.source or "record and alert, never stop", source))
    settings += [_Setting(name, action.value, source) for name, action in sorted(found.rules.items())]
    return settings, ""
