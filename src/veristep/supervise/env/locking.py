"""Making the reference of an environment of the registry's own files.

What a distribution's files have to be is read from the wheel the registry has for it, through pip and the
user's own configuration of it. A wheel that was read for an earlier reference of the ledger is not fetched
again: what is in the ledger is under its signature, and a wheel of a version never changes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import MalformedError, VeristepError
from veristep.guard.env import wheel
from veristep.guard.env.layout import Layout
from veristep.guard.env.reference import Distribution, Reference, Source, from_bytes
from veristep.guard.env.scene import place
from veristep.guard.env.survey import CACHE_FOLDER
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.log import Ledger
from veristep.supervise.env import distributions, outside
from veristep.supervise.env.installed import Installed
from veristep.supervise.env.lock import Lock, Pin, canonical
from veristep.supervise.env.registry import Pip

LOCKED = "environment.locked"
NOT_THERE = "the registry has no wheel of it"
_BATCH = 8
_LOOK_SECONDS = 900.0
_Key = tuple[str, str, tuple[str, ...]]


def lock(
    ledger: Ledger, layout: Layout, tell: Callable[[str], None], *, refresh: bool = False
) -> tuple[Entry | None, Reference]:
    """Make the reference of an environment and put it on record.

    Args:
        ledger: keeps it.
        layout: the environment.
        tell: is told what takes time.
        refresh: fetch every file again.

    Raises:
        UnavailableError: the registry cannot be asked, or the environment cannot be looked at.
    """
    installed = list(distributions.of(layout))
    published = {} if refresh else known(ledger, layout.version)
    fetched = [each for each in installed if not each.local and _key(each) not in published]
    if fetched:
        tell(f"asking the registry for {len(fetched)} of {len(installed)} distributions")
        published |= _fetch(layout, fetched, tell)
    found = [_distribution(each, published.get(_key(each))) for each in installed]
    draft = Reference(layout.prefix, layout.library, layout.version, tuple(found))
    tell("reading every file that is installed, and compiling what has cached byte code")
    reference = _as_it_stands(layout, draft)
    entry = _record(ledger, reference)
    return entry, reference


def known(ledger: Ledger, version: str) -> dict[_Key, Distribution]:
    """Return the wheels that earlier references of a ledger were made of, for a version of Python."""
    found: dict[_Key, Distribution] = {}
    seen = set()
    for entry in ledger.entries(kind=LOCKED):
        name = _object(entry)
        if name in seen or entry.body.get("python") != version:
            continue
        seen.add(name)
        try:
            reference = from_bytes(ledger.objects.read(name))
        except (VeristepError, OSError):
            continue  # what cannot be read is fetched
        found |= {(each.name, each.version, each.tags): each for each in reference.verified()}
    return found


def latest(ledger: Ledger, prefix: str) -> tuple[Entry, bytes] | None:
    """Return the reference of an environment that was put on record last; None when there is none.

    Raises:
        VeristepError: it is on record and cannot be read.
    """
    found = [each for each in ledger.entries(kind=LOCKED) if each.body.get("prefix") == prefix]
    return (found[-1], ledger.objects.read(_object(found[-1]))) if found else None


def _object(entry: Entry) -> str:
    objects = entry.body.get("objects")
    return str(objects["reference"]) if isinstance(objects, dict) else ""


def _key(installed: Installed) -> _Key:
    return installed.name, installed.version, installed.tags


def _fetch(
    layout: Layout, wanted: Sequence[Installed], tell: Callable[[str], None]
) -> dict[_Key, Distribution]:
    keys = {(each.name, each.version): each for each in wanted}
    with tempfile.TemporaryDirectory(prefix="veristep-lock-") as folder:
        pip = Pip(layout.interpreter, Path(folder))
        asked = Lock(layout.version, tuple(Pin(name, version) for name, version in keys))
        found, _ = pip.find(asked)
        made: dict[_Key, Distribution] = {}
        for at in range(0, len(found.pins), _BATCH):
            pins = found.pins[at : at + _BATCH]
            tell(f"fetching {at + 1} to {at + len(pins)} of {len(found.pins)} files of the registry")
            with tempfile.TemporaryDirectory(dir=folder) as place_:
                for path in pip.download(Lock(found.python, pins), Path(place_)):
                    pin = _pin(path, pins)
                    each = keys[canonical(pin.name), pin.version]
                    made[_key(each)] = _published(path, each, layout.version)
    return made


def _pin(path: Path, pins: Iterable[Pin]) -> Pin:
    name, version, *_ = path.name.split("-")
    for each in pins:
        if canonical(each.name) == canonical(name) and each.version == version.replace("_", "-"):
            return each
    for each in pins:
        if canonical(each.name) == canonical(name):
            return each
    raise MalformedError(f"the registry gave {path.name}, which was not asked for")


def _published(path: Path, installed: Installed, version: str) -> Distribution:
    read = wheel.read(path, version)
    return Distribution(
        name=installed.name,
        version=installed.version,
        source=Source.REGISTRY,
        root=installed.root,
        files=read.files,
        scripts=read.scripts,
        wheel=path.name,
        sha256=read.sha256,
        tags=installed.tags,
        owned=read.owned,
    )


def _distribution(installed: Installed, published: Distribution | None) -> Distribution:
    if published is not None and not installed.local:
        return replace(published, root=installed.root)
    # Digests are put in by `_as_it_stands`.
    return Distribution(
        name=installed.name,
        version=installed.version,
        source=Source.SEEN,
        root=installed.root,
        files=dict.fromkeys(installed.record, ""),
        tags=installed.tags,
        why=installed.local or NOT_THERE,
    )


def _as_it_stands(layout: Layout, draft: Reference) -> Reference:
    """Return the reference with the digests of what has no published ones."""
    request = outside.Request(
        layout, draft.to_bytes(), Path(os.devnull), b"", full=True, seconds=_LOOK_SECONDS, lock=True
    )
    answer = outside.ask(request, 2 * _LOOK_SECONDS)
    digests = answer.digests
    found = tuple(
        _seen(each, digests) if each.source is Source.SEEN else each for each in draft.distributions
    )
    library = layout.library + "/"
    owned = {place(each.root, path) for each in found for path in [*each.files, *each.owned, *each.scripts]}
    inside = [each for each in digests if f"/{CACHE_FOLDER}/" not in each and not each.endswith(".pyc")]
    site = tuple(f"{each}/" for each in layout.site)
    return replace(
        draft,
        distributions=found,
        seen={
            each[len(library) :]: digests[each]
            for each in inside
            if each.startswith(library) and not each.startswith(site)
        },
        byte_code={each: digests[each] for each in answer.same},
        extra={each: digests[each] for each in inside if each.startswith(site) and each not in owned},
    )


def _seen(distribution: Distribution, digests: dict[str, str] | object) -> Distribution:
    assert isinstance(digests, dict)
    files = {
        path: digests[place(distribution.root, path)]
        for path in distribution.files
        if place(distribution.root, path) in digests
    }
    return replace(distribution, files=files)


def _record(ledger: Ledger, reference: Reference) -> Entry | None:
    name = ledger.objects.put(reference.to_bytes())
    verified = list(reference.verified())
    body: dict[str, Json] = {
        "objects": {"reference": name},
        "prefix": reference.prefix,
        "python": reference.python,
        "distributions": len(reference.distributions),
        "published": len(verified),
        "files": sum(len(each.files) for each in verified),
    }
    ledger.append(Draft(LOCKED, body, sensitive=frozenset({"prefix"})))
    found = [each for each in ledger.entries(kind=LOCKED) if _object(each) == name]
    return found[-1] if found else None
