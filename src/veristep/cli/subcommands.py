"""A command that has subcommands beside its own argument."""

from __future__ import annotations

from typing import Any

import click


class WithSubcommands(click.Command):
    """`veristep audit RUN` and `veristep audit commit RUN`: a first word that names one is one.

    No run id can be mistaken for one: they begin with a date, and their short forms are hexadecimal.
    """

    subcommands: dict[str, click.Command]

    def __init__(self, *args: Any, subcommands: list[click.Command], **named: Any) -> None:
        super().__init__(*args, **named)
        self.subcommands = {str(each.name): each for each in subcommands}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Prepare the subcommand that is named, else the command itself."""
        chosen = self.subcommands.get(args[0]) if args else None
        if chosen is None:
            return super().make_context(info_name, args, parent, **extra)
        return chosen.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the subcommands."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str()) for name, each in self.subcommands.items()]
            )
