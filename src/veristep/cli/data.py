"""`veristep data`: lock data sets, and check that they are what was locked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from veristep.cli import data_seen, render
from veristep.cli.checked import fail_on_option, tell
from veristep.cli.data_seen import annotated
from veristep.cli.options import Bytes, json_option, ledger_option, ledger_path_or_default
from veristep.cli.sarif import report, sarif_option
from veristep.core.verdicts import Severity
from veristep.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from veristep.core.canonical import Json
    from veristep.ledger.log import Ledger
    from veristep.supervise.data.check import CheckOptions, DataChecked
    from veristep.supervise.data.lock import LockOutcome
    from veristep.supervise.data.source import Source
    from veristep.supervise.data.store import Locked

_jobs = click.option("--jobs", type=click.IntRange(min=0), default=0, help="Threads [default: processors].")
# A line to a log once in so many seconds; on a terminal more often, in place.
_QUIET_SECONDS, _LIVE_SECONDS = 60.0, 0.2


@click.group("data")
def command() -> None:
    """Lock data sets by a manifest of their chunks, and check them against it."""


command.add_command(data_seen.command)


@command.command("lock")
@click.argument("paths", nargs=-1, required=True, metavar="DIR|FILES...")
@ledger_option
@click.option("--name", default="", help="What the data is called [default: the folder's name].")
@click.option("--chunk", type=Bytes(), default=1 << 20, help="Size of a chunk [default: 1MiB].")
@click.option(
    "--full", is_flag=True, help="Read everything, also what was not touched since the last lock."
)
@click.option("--project", default="", envvar="VERISTEP_PROJECT", help="The project the data belongs to.")
@_jobs
@json_option
def lock_command(
    paths: tuple[str, ...],
    ledger_path: Path | None,
    name: str,
    chunk: int,
    full: bool,
    project: str,
    jobs: int,
    as_json: bool,
) -> int:
    """Read a folder, files, or a bucket (s3://...), and put their manifest into the ledger.

    Only what was touched since the last lock is read again. A lock that is interrupted goes on
    where it was. Exit status 3 when something could not be locked.
    """
    from veristep.core.datasets import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES
    from veristep.ledger.log import Ledger
    from veristep.supervise.data.lock import LockOptions, lock

    if not MIN_CHUNK_BYTES <= chunk <= MAX_CHUNK_BYTES:
        raise UsageError(
            f"a chunk of {chunk} bytes is too small or too large", hint="for example --chunk 1MiB"
        )
    options = LockOptions(name, chunk, jobs, full, project)
    with Ledger.open(ledger_path_or_default(ledger_path), create=True) as ledger:
        outcome = lock(ledger, _source(paths), options, _progress("bytes"))
    _tell_lock(outcome, as_json=as_json)
    return int(ExitStatus.INCOMPLETE if outcome.locked.left_out else ExitStatus.CLEAN)


@command.command("check")
@click.argument("data", required=False)
@ledger_option
@click.option("--at", help="Where the data lies now, if not where it was locked.")
@click.option(
    "--sample", metavar="N|P%", help="Read so many chunks, drawn at random, and what was touched."
)
@click.option(
    "--quick", is_flag=True, help="Read only what was touched since the lock, by change time and the like."
)
@click.option(
    "--changed",
    type=click.IntRange(min=1),
    default=1,
    help="State the chance that a sample misses so many changed chunks [default: 1].",
)
@click.option(
    "--risk-limit",
    metavar="P%",
    help="Read as many chunks as it takes for --changed of them to be missed with at most this chance.",
)
@_jobs
@json_option
@sarif_option
@fail_on_option
def check_command(
    data: str | None,
    ledger_path: Path | None,
    at: str | None,
    sample: str | None,
    quick: bool,
    changed: int,
    risk_limit: str | None,
    jobs: int,
    as_json: bool,
    sarif_path: Path | None,
    fail_on: Severity,
) -> int:
    """Compare DATA (a name, a folder or a root digest) with its manifest; all of it unless told otherwise.

    Exit status 1 when something is not as locked, 3 when not everything was looked at.
    """
    from veristep.supervise.data import store
    from veristep.supervise.data.check import check

    with report(sarif_path, "data check") as sarif:
        with _open(ledger_path) as ledger:
            locked = store.load(ledger, store.find(ledger, _one(ledger, data)))
            options = _check_options(locked, sample, risk_limit, quick=quick, changed=changed, jobs=jobs)
            checked = check(locked, _source_of(locked, at), options, _progress("chunks"))
            findings = annotated(ledger, checked.result.findings)
        checked = replace(checked, result=replace(checked.result, findings=tuple(findings)))
        chance = _chance(checked, changed)
        status = tell(
            checked.result,
            as_json=as_json,
            sarif=sarif,
            subject=locked.digest,
            fail_on=fail_on,
            more={"data": store.describe(locked), "missed": checked.missed, "changed": changed},
        )
    if not as_json:
        render.out(f"   = data: {locked.name}, {locked.root}, locked {render.when(locked.time_ns)} UTC")
        if chance:
            render.out(f"   = {chance}")
    return status


@command.command("list")
@ledger_option
@json_option
def list_command(ledger_path: Path | None, as_json: bool) -> int:
    """List what is locked."""
    from veristep.case.wording import plain
    from veristep.core.verdicts import SCHEMA
    from veristep.supervise.data import store

    with _open(ledger_path) as ledger:
        found = store.entries(ledger)
    if as_json:
        fields = ("name", "root", "digest", "files", "chunks", "size", "left_out_count")
        rows = [{name: each.body.get(name) for name in fields} | {"entry": each.index} for each in found]
        render.as_json({"schema": SCHEMA, "data": rows})
        return int(ExitStatus.CLEAN)
    table = [
        (
            plain(each.body.get("name")),
            str(each.body.get("files")),
            render.size(float(str(each.body.get("size")))),
            render.when(each.time_ns),
            plain(each.body.get("digest"))[:23],
            plain(each.body.get("root")),
        )
        for each in found
    ]
    render.table(("name", "files", "size", "locked (UTC)", "digest", "root"), table)
    return int(ExitStatus.CLEAN)


def _open(path: Path | None) -> Ledger:
    from veristep.ledger.log import Ledger

    return Ledger.open(ledger_path_or_default(path))


def _one(ledger: Ledger, data: str | None) -> str:
    from veristep.supervise.data import store

    if data is not None:
        local = Path(data)
        return str(local.absolute()) if local.exists() and "://" not in data else data
    found = store.entries(ledger)
    if len(found) != 1:
        names = ", ".join(str(each.body.get("name")) for each in found)
        raise UsageError(
            "which data?" if found else "no data is locked",
            hint=f"locked are {names}" if found else "lock it first: veristep data lock DIR",
        )
    return str(found[0].body.get("digest"))


def _source(paths: tuple[str, ...]) -> Source:
    from veristep.supervise.data import remote, source

    if any(remote.is_address(path) for path in paths):
        if len(paths) > 1:
            raise UsageError("one address at a time", hint="lock each with a command of its own")
        return remote.RemoteSource(paths[0])
    return source.local([Path(path) for path in paths])


def _source_of(locked: Locked, at: str | None) -> Source:
    from veristep.supervise.data import remote, source

    place = at or locked.root
    if remote.is_address(place):
        return remote.RemoteSource(place)
    root = Path(place).absolute()
    return source.LocalSource(root, [root / each for each in locked.chosen])


def _check_options(
    locked: Locked, sample: str | None, risk_limit: str | None, *, quick: bool, changed: int, jobs: int
) -> CheckOptions:
    from veristep.core.sampling import sample_size
    from veristep.supervise.data.check import CheckOptions, How

    if sum((sample is not None, risk_limit is not None, quick)) > 1:
        raise UsageError("--sample, --risk-limit and --quick exclude each other")
    total = locked.manifest.chunks
    if risk_limit is not None:
        count = sample_size(total, changed, _share(risk_limit, "--risk-limit"))
        return CheckOptions(How.SAMPLE, count, changed, jobs)
    if sample is None:
        return CheckOptions(How.QUICK if quick else How.FULL, 0, changed, jobs)
    if sample.endswith("%"):
        return CheckOptions(How.SAMPLE, -int(-total * _share(sample, "--sample") // 1), changed, jobs)
    if not sample.isdecimal():
        raise UsageError(
            f"--sample {sample!r} is neither a number of chunks nor a share", hint="--sample 5%"
        )
    return CheckOptions(How.SAMPLE, int(sample), changed, jobs)


def _share(text: str, option: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(
            f"{option} {text!r} is not a share between 0 and 1", hint=f"for example {option} 1%"
        )
    return value


def _chance(checked: DataChecked, changed: int) -> str:
    if checked.missed is None:
        return ""
    chunks = checked.result.coverage["chunks"]
    what = "one changed chunk" if changed == 1 else f"{changed} changed chunks"
    return (
        f"sampled: {what} of {chunks.total} that kept size and times would have been missed with "
        f"probability {checked.missed:.3g}"
    )


def _tell_lock(outcome: LockOutcome, *, as_json: bool) -> None:
    from veristep.case.wording import plain
    from veristep.core.verdicts import SCHEMA
    from veristep.supervise.data import store

    locked = outcome.locked
    if as_json:
        more: dict[str, Json] = {
            "read_bytes": outcome.read_bytes,
            "untouched": outcome.untouched,
            "resumed": outcome.resumed,
            "changed": list(outcome.changed),
            "added": list(outcome.added),
            "gone": list(outcome.gone),
            "left_out": [[plain(path), why] for path, why in locked.left_out],
            "seconds": outcome.seconds,
        }
        render.as_json({"schema": SCHEMA, **store.describe(locked), **more})
        return
    render.out(f"locked   {plain(locked.name)}: {plain(locked.root)}")
    render.out(
        f"content  {len(locked.manifest.files)} files, {render.size(locked.manifest.size)}, "
        f"{locked.manifest.chunks} chunks of {render.size(locked.manifest.chunk_bytes)}"
    )
    render.out(f"digest   {locked.digest} (entry {locked.index})")
    render.out(
        f"read     {render.size(outcome.read_bytes)} in {outcome.seconds:.1f} s"
        + (f"; {outcome.untouched} files untouched since the last lock" if outcome.untouched else "")
        + (f"; went on with {outcome.resumed} pieces of a lock that did not end" if outcome.resumed else "")
    )
    for what, paths in (("changed", outcome.changed), ("added", outcome.added), ("gone", outcome.gone)):
        for path in paths[:5]:
            render.out(f"{what:<8} {plain(path)}")
        if len(paths) > 5:
            render.out(f"{what:<8} and {len(paths) - 5} more")
    for path, why in locked.left_out[:10]:
        render.out(f"not locked: {plain(path)}: {why}")
    if len(locked.left_out) > 10:
        render.out(f"not locked: and {len(locked.left_out) - 10} more")


def _progress(unit: str) -> Callable[[int, int], None]:
    """Return what tells on stderr how far it is: in place on a terminal, rarely in a log."""
    live = sys.stderr.isatty()
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < (_LIVE_SECONDS if live else _QUIET_SECONDS) or not total:
            return
        told = now
        share = (
            f"{100 * done / total:.0f} % of {render.size(total) if unit == 'bytes' else f'{total} {unit}'}"
        )
        if live:
            sys.stderr.write(f"\r{share}\x1b[K" + ("\r\x1b[K" if done >= total else ""))
            sys.stderr.flush()
        else:
            render.note(share)

    return progress
