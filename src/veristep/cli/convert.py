"""`veristep convert IN OUT`: a checkpoint as numbers and JSON, which run nothing."""

from __future__ import annotations

from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import json_option
from veristep.core.verdicts import SCHEMA
from veristep.errors import ExitStatus, NotFoundError, UsageError


@click.command("convert")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@json_option
def command(source: Path, target: Path, as_json: bool) -> int:
    """Write the checkpoint IN anew as numbers and JSON, into the folder OUT.

    Tensors go into tensors.safetensors, everything else into rest.json. The checkpoint is scanned first,
    then loaded in a process that can open and start nothing. Every tensor is read back and compared. Exit
    status 3 when something could not be converted: it is named, in rest.json too.
    """
    from veristep.case.wording import plain, plural
    from veristep.scan.converting import REST, TENSORS, convert

    if not source.is_file():
        raise NotFoundError(f"there is no file {source}")
    if target.exists():
        raise UsageError(f"{target} is there already", hint="name a folder that is not there yet")
    done = convert(source, target)
    status = ExitStatus.INCOMPLETE if done.omitted else ExitStatus.CLEAN
    if as_json:
        found = {
            "schema": SCHEMA,
            "tensors": done.tensors,
            "bytes": done.size,
            "omitted": dict(done.omitted),
        }
        render.as_json({**found, "how": done.how, "confined": done.confined})
        return int(status)
    for place, what in done.omitted.items():
        render.out(f"not converted: {plain(place) or 'the value itself'}: {plain(what)}")
    render.out(
        f"{plural(done.tensors, 'tensor')} ({render.size(done.size)}) written and read back bit for bit"
    )
    render.out(f"   = tensors: {target / TENSORS}")
    render.out(f"   = everything else: {target / REST}")
    if not done.confined:
        render.out("   = not confined: this machine's kernel filters no system calls")
    return int(status)
