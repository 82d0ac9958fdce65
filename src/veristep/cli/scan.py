"""`veristep scan PATH...`: what loading files would do, before anybody loads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli.checked import fail_on_option, tell
from veristep.cli.options import json_option
from veristep.cli.sarif import report, sarif_option
from veristep.core.verdicts import Severity
from veristep.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from veristep.scan.seen import Report


@click.command("scan")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=1, help="Files looked at at once [default: 1]."
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Names that pickles may use beside those of Veristep's own lists: a line is `module: name name`. "
    "May be given several times.",
)
@fail_on_option
@json_option
@sarif_option
def command(
    paths: tuple[Path, ...],
    jobs: int,
    profiles: tuple[Path, ...],
    fail_on: Severity,
    as_json: bool,
    sarif_path: Path | None,
) -> int:
    """Say of every file below each of PATHS what loading it would do; nothing in it is run.

    Every file ends as allow, deny or unknown. Exit status 0 when all are allowed, 1 when one is denied,
    3 when one is unknown: it could not be read, or names what no profile lists.
    """
    with report(sarif_path, "scan") as sarif:
        reports = list(_reports(paths, jobs, profiles))
        from veristep.guard.scan import every

        result = every.result(reports)
        subject = ", ".join(str(path) for path in paths)
        more = {"files": [each.to_json() for each in reports]}
        return tell(result, as_json=as_json, sarif=sarif, subject=subject, fail_on=fail_on, more=more)


def _reports(paths: tuple[Path, ...], jobs: int, lists: tuple[Path, ...]) -> Iterator[Report]:
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import ExitStack
    from queue import SimpleQueue

    from veristep.scan.files import found
    from veristep.scan.scanner import Scanner

    allowed = [pair for path in lists for pair in _pairs(path)]
    with ExitStack() as stack:
        free: SimpleQueue[Scanner] = SimpleQueue()
        for _ in range(jobs):
            free.put(stack.enter_context(Scanner(allowed)))
        # While the scanner's process starts, what tells of its results is imported.
        import veristep.guard.scan.every  # noqa: F401

        def one(target: Path | Report) -> Report:
            if not isinstance(target, Path):
                return target
            scanner = free.get()
            try:
                return scanner.scan(target)
            finally:
                free.put(scanner)

        if jobs == 1:
            yield from map(one, found(paths))
            return
        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, found(paths))


def _pairs(path: Path) -> list[tuple[str, str]]:
    from veristep.scan import profiles

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the profile {path} cannot be read: {error}") from error
    found = profiles.parse(text)
    if not found or any(name == "*" for _, name in found):
        raise UsageError(
            f"the profile {path} lists no names, or all of a module",
            hint="write `module: name name`, one module a line; `*` would let everything through",
        )
    return found
