"""`veristep`: finds the command, turns errors into text and an exit status."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from veristep import __version__
from veristep.cli import render
from veristep.errors import ExitStatus, VeristepError

# Each command lives in the module of its name, imported when it is called: `veristep --help` and
# `veristep run` must not pay for what they do not use.
COMMANDS = {
    "run": "record a training command without changing it",
    "check": "say whether a training command can be replayed",
    "runs": "list recorded runs",
    "show": "show one run: steps, gaps, checkpoints, findings, audits",
    "report": "write one HTML file about a run, to be opened offline",
    "audit": "replay parts of a run elsewhere and compare every step",
    "verify": "say whether a file, or all of a folder, is what recorded runs wrote",
    "data": "lock data sets by a manifest, and check them against it",
    "convert": "write a checkpoint anew as safetensors and JSON",
    "scan": "say what loading files would do, before anybody loads them",
    "artifact": "sign for changes of protected files",
    "env": "compare what is installed with what was published",
    "ledger": "create and check ledgers",
    "resume": "let a run go on that the policy holds",
    "agent": "tell runs on this node what only root is told about their processes",
    "explain": "say what a rule means and what to do about its findings",
    "doctor": "say what of Veristep can work on this machine, and what is not covered",
    "demo": "train, audit, sabotage, catch: the whole job in three minutes",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"veristep.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"no such command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 checked and clean, 1 findings, 2 usage, 3 something asked for could not be "
    "checked, 4 Veristep itself failed. `run` ends with the status of the command it ran.",
)
@click.version_option(__version__, prog_name="veristep")
def cli() -> None:
    """Keep machine-learning training honest: record, seal and replay an unmodified training run."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    sys.exit(_status(words))


def _status(words: list[str]) -> int:
    try:
        result: Any = cli.main(words, prog_name="veristep", standalone_mode=False)
        return int(result or 0)
    except click.exceptions.Exit as ended:
        return int(ended.exit_code)
    except click.ClickException as error:
        error.show()
        return int(ExitStatus.USAGE)
    except click.Abort:
        render.note("interrupted")
        return 130
    except VeristepError as error:
        render.error(error)
        return int(error.exit_status)
    except BrokenPipeError:
        # The reader went away (`veristep runs | head`): not an error, and nothing more to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitStatus.CLEAN)
    except Exception as error:  # noqa: BLE001 - boundary: the last place that can explain
        render.crash(error)
        return int(ExitStatus.FAILED)


if __name__ == "__main__":
    main()
