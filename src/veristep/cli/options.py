"""Options that several commands share."""

from __future__ import annotations

import functools
import re
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


def platform_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--platform threads=N,isa=NAME``: replay as on another machine."""
    return click.option(
        "--platform",
        metavar="threads=N,isa=NAME",
        help="Replay as on another machine, with its thread count and instruction set (default, avx2, "
        "avx512): what is not bit for bit the same is held against rounding noise.",
    )(function)


class Bytes(click.ParamType[int]):
    """A number of bytes: ``8GiB``, ``500MB``, ``1000000``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?i?)B?\s*", str(value))
        unit = _UNITS.get(match[2].upper()) if match else None
        if match is None or unit is None:
            self.fail(f"{value!r} is not a size such as 8GiB or 500MB", param, ctx)
        return int(float(match[1]) * unit)


_UNITS = {
    "": 1,
    **{name: 1000**power for power, name in enumerate("KMGT", 1)},
    **{name + "I": 1024**power for power, name in enumerate("KMGT", 1)},
}


def room_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say what replays run in, handed on as one `RoomOptions` named ``room``."""

    @functools.wraps(function)
    def collected(
        *,
        in_place: bool,
        allow_unsandboxed: bool,
        shown: tuple[Path, ...],
        require_clean_commit: bool,
        require_signed_commit: Path | None,
        **rest: Any,
    ) -> Any:
        from veristep.replay.room.code_policy import CodePolicy
        from veristep.replay.room.prepare import RoomOptions

        clean = require_clean_commit or require_signed_commit is not None
        room = RoomOptions(
            in_place=in_place,
            allow_unsandboxed=allow_unsandboxed,
            shown=tuple(str(path.absolute()) for path in shown),
            policy=CodePolicy(clean, require_signed_commit),
        )
        return function(room=room, **rest)

    decorators: list[Decorator] = [
        click.option(
            "--require-signed-commit",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="SIGNERS",
            help="Replay only a clean commit signed by a key in this allowed_signers file.",
        ),
        click.option(
            "--require-clean-commit", is_flag=True, help="Replay only code without uncommitted changes."
        ),
        click.option(
            "--data",
            "shown",
            multiple=True,
            type=click.Path(path_type=Path, exists=True),
            metavar="PATH",
            help="Let replays read PATH too: data that no manifest names. May be given again.",
        ),
        click.option(
            "--allow-unsandboxed",
            is_flag=True,
            help="Go on where no sandbox works: the run's command can read this account's files.",
        ),
        click.option(
            "--in-place",
            is_flag=True,
            envvar="VERISTEP_IN_PLACE",
            help="Replay in the run's own installation instead of one built from the registry: faster, and "
            "weaker, as the verdict says [env: VERISTEP_IN_PLACE].",
        ),
    ]
    decorated: Callable[..., Any] = collected
    for each in decorators:
        decorated = each(decorated)
    return decorated


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
