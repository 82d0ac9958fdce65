"""The options that say how an audit is carried out: where, how many at once, whether it goes on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from veristep.cli.options import Bytes, Decorator
from veristep.errors import UsageError

if TYPE_CHECKING:
    from veristep.cli.audit_view import View
    from veristep.replay.engines.protocol import Options
    from veristep.replay.resuming import Resume

DEFAULT_SHARE = "2%"


@dataclass(frozen=True, slots=True)
class Running:
    """What was asked for on the command line, as it was written."""

    engine: str
    workers: int | None
    memory: int | None
    time_limit: float | None
    nice: int | None
    resume: bool
    anew: bool
    follow: bool
    share: str | None

    def options(self, view: View) -> Options:
        """Return what the engine is told."""
        from veristep.replay.engines.protocol import Options

        return Options(
            workers=self.workers or 0,
            memory=self.memory or 0,
            time_limit=self.time_limit or 0.0,
            nice=self.nice or 0,
            planned=view.planned,
            started=view.started,
            tick=view.tick,
        )

    def resuming(self) -> Resume:
        """Return what to do about an audit that was interrupted.

        Raises:
            UsageError: options contradict each other.
        """
        from veristep.replay.resuming import Resume

        if self.resume and self.anew:
            raise UsageError("--resume and --anew exclude each other", hint="say one of them")
        if self.resume:
            return Resume.DEMANDED
        return Resume.NEVER if self.anew else Resume.IF_SAME

    def budget(self) -> float:
        """Return the share of training's compute that following may take."""
        from veristep.replay.plan.risk import parse_share

        return float(parse_share(self.share or DEFAULT_SHARE, "--share", whole=True))


def running_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Running`, which the command gets as ``running``."""

    @functools.wraps(function)
    def wrapped(*args: Any, **given: Any) -> Any:
        fields = {name: given.pop(name) for name in Running.__slots__}
        return function(*args, running=Running(**fields), **given)

    from veristep.replay.engines.choose import NAMES

    decorators: list[Decorator] = [
        click.option(
            "--engine",
            type=click.Choice(NAMES),
            default="local",
            help="Where replays run [default: local, a pool of processes on this machine].",
        ),
        click.option(
            "--workers",
            type=click.IntRange(min=1),
            help="Intervals replayed at once [default: as many as processors and memory carry].",
        ),
        click.option(
            "--memory",
            type=Bytes(),
            help="What all replays together may use, such as 8GiB [default: 80 % of what is free].",
        ),
        click.option(
            "--time-limit",
            type=click.FloatRange(0, min_open=True),
            metavar="SECONDS",
            help="How long one replay may take [default: from the times on record].",
        ),
        click.option(
            "--nice",
            type=click.IntRange(0, 19),
            help="How far replays give way to other work [default: 0; with --follow: 19].",
        ),
        click.option(
            "--resume",
            is_flag=True,
            help="Go on with the audit of RUN that was interrupted, whatever it was asked for.",
        ),
        click.option("--anew", is_flag=True, help="Begin anew, though the same audit was interrupted."),
        click.option(
            "--follow",
            is_flag=True,
            help="Audit RUN while it trains, until it ends or Ctrl-C.",
        ),
        click.option(
            "--share",
            metavar="SHARE",
            help=f"With --follow: what of training's compute may be spent [default: {DEFAULT_SHARE}].",
        ),
    ]
    command: Callable[..., Any] = wrapped
    for each in reversed(decorators):
        command = each(command)
    return command
