"""The options that say what an audit replays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from veristep.cli.options import Decorator
from veristep.errors import UsageError

if TYPE_CHECKING:
    from veristep.ledger.notes import SignerKey
    from veristep.replay.plan.choice import Choice
    from veristep.replay.plan.intervals import Plan

MAX_TAMPERED = "1%"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for on the command line, as it was written."""

    everything: bool
    intervals: int | None
    coverage: str | None
    steps: str | None
    from_start: bool
    risk_limit: str | None
    max_tampered: str | None
    escalate: bool
    auditor_key: Path | None
    plan_only: bool

    def choice(self, plan: Plan) -> Choice:
        """Return which intervals are wanted.

        Raises:
            UsageError: options contradict each other, or say nothing that can be done.
        """
        from veristep.replay.plan import choice as choices
        from veristep.replay.plan.risk import parse_share

        total = len(plan.intervals)
        self._check()
        if self.steps is not None:
            return choices.containing(plan.intervals, self.steps)
        if self.risk_limit is not None:
            return choices.Risk(parse_share(self.risk_limit, "--risk-limit"), self.tampered())
        if self.everything:
            return choices.Count(total)
        if self.intervals is not None:
            return choices.Count(min(total, self.intervals))
        if self.coverage is not None:
            return choices.share(total, float(parse_share(self.coverage, "--coverage", whole=True)))
        return choices.default(total)

    def tampered(self) -> Fraction:
        """Return the share of intervals that is assumed to be tampered with."""
        from veristep.replay.plan.risk import parse_share

        return parse_share(self.max_tampered or MAX_TAMPERED, "--max-tampered")

    def key(self) -> SignerKey | None:
        """Return the auditor's own key, if one was named."""
        from veristep.ledger import auditors

        return auditors.key_at(self.auditor_key, create=False) if self.auditor_key else None

    def _check(self) -> None:
        options = {
            "--all": self.everything,
            "--intervals": self.intervals is not None,
            "--coverage": self.coverage is not None,
            "--steps": self.steps is not None,
            "--risk-limit": self.risk_limit is not None,
            "--from-start": self.from_start,
        }
        given = [name for name, set_ in options.items() if set_]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other", hint="say one of them")
        if self.from_start and self.plan_only:
            raise UsageError("--plan plans a draw, and --from-start draws nothing")
        if self.max_tampered is not None and self.risk_limit is None and not self.plan_only:
            raise UsageError(
                "--max-tampered says what --risk-limit is about, and there is none",
                hint=f"for example --risk-limit 1% --max-tampered {self.max_tampered}",
            )


def auditor_key_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--auditor-key FILE``: the key of an auditor other than the ledger's own."""
    return click.option(
        "--auditor-key",
        type=click.Path(path_type=Path),
        envvar="VERISTEP_AUDITOR_KEY",
        metavar="FILE",
        help="The key of an auditor of your own [default: the ledger's; env: VERISTEP_AUDITOR_KEY].",
    )(function)


def choice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Asked`, which the command gets as ``asked``."""

    @functools.wraps(function)
    def wrapped(*args: Any, **given: Any) -> Any:
        fields = {name: given.pop(name) for name in Asked.__slots__}
        return function(*args, asked=Asked(**fields), **given)

    decorators: list[Decorator] = [
        click.option("--all", "everything", is_flag=True, help="Replay every interval."),
        click.option("--intervals", type=click.IntRange(min=1), help="Replay this many, drawn at random."),
        click.option("--coverage", metavar="SHARE", help="Replay this share, drawn at random: 10% or 0.1."),
        click.option("--steps", metavar="A:B", help="Replay the intervals that hold these steps."),
        click.option(
            "--from-start",
            is_flag=True,
            help="Run the whole script again, with nothing taken as recorded: no tape, no snapshots.",
        ),
        click.option(
            "--risk-limit",
            metavar="SHARE",
            help="Draw until the chance of missing tampering is at most this: 0.1%, 0.001 or 1/1000.",
        ),
        click.option(
            "--max-tampered",
            metavar="SHARE",
            help="With --risk-limit: the share of intervals whose tampering would have to be noticed "
            f"[default: {MAX_TAMPERED}].",
        ),
        click.option(
            "--escalation/--no-escalation",
            "escalate",
            default=True,
            help="After a mismatch, replay around it to find where it begins and ends [default: do].",
        ),
        auditor_key_option,
        click.option(
            "--plan",
            "plan_only",
            is_flag=True,
            help="Say what the audit would take and could show; replay nothing, log nothing.",
        ),
    ]
    command: Callable[..., Any] = wrapped
    for each in reversed(decorators):
        command = each(command)
    return command
