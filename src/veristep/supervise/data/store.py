"""Manifests of data in the ledger: entries of kind ``data.locked`` and the objects they name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from veristep.core import datasets
from veristep.core.canonical import Json, decode_object, encode
from veristep.core.datasets import DataFile, Manifest
from veristep.errors import MalformedError, NotFoundError, TamperedError
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.log import Ledger, Receipt
from veristep.supervise.data.digesting import file_digest
from veristep.supervise.data.source import State

LOCKED = "data.locked"
STATES_FORMAT = "veristep-data-states/1"


@dataclass(frozen=True, slots=True)
class Locked:
    """A manifest as the ledger holds it.

    Attributes:
        name: what people call the data.
        root: where it lay.
        chosen: files and folders below the root that were named; empty for all of it.
        manifest: what it consists of.
        states: per path, the state at the time; None where it must not be relied on.
        rows: the text of small files of rows, per path, so that a change of theirs can be shown.
        left_out: what could not be locked, with the reason.
        digest: the root digest: the name of the manifest's object.
        index: of the entry; -1 before there is one.
        time_ns: when it was logged.
        actor: the key that logged it.
    """

    name: str
    root: str
    manifest: Manifest
    states: Mapping[str, State | None]
    rows: Mapping[str, str]
    left_out: Sequence[tuple[str, str]] = ()
    chosen: Sequence[str] = ()
    digest: str = ""
    index: int = -1
    time_ns: int = 0
    actor: str = ""


def save(ledger: Ledger, locked: Locked, project: str = "") -> Receipt:
    """Put a manifest into the ledger; return the entry's receipt.

    Raises:
        StorageError: the ledger cannot be written.
    """
    manifest = locked.manifest
    digest = ledger.objects.put(manifest.encode())
    states: list[Json] = [
        list(state) if (state := locked.states.get(file.path)) is not None else None
        for file in manifest.files
    ]
    rows: dict[str, Json] = dict(locked.rows)
    objects: dict[str, Json] = {
        "manifest": digest,
        "states": ledger.objects.put(encode({"format": STATES_FORMAT, "states": states})),
        "rows": ledger.objects.put(encode(rows)),
    }
    body: dict[str, Json] = {
        "name": locked.name,
        "root": datasets.path_json(locked.root),
        "chosen": [datasets.path_json(each) for each in locked.chosen],
        "left_out": [[datasets.path_json(path), why] for path, why in locked.left_out[:1000]],
        "left_out_count": len(locked.left_out),
        "digest": digest,
        "files": len(manifest.files),
        "chunks": manifest.chunks,
        "size": manifest.size,
        "objects": objects,
    }
    sensitive = frozenset({"name", "root", "chosen", "left_out"})
    return ledger.append(Draft(LOCKED, body, "", project, sensitive))[0]


def entries(ledger: Ledger) -> list[Entry]:
    """Return what was locked, the last of each name and root, oldest first."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in ledger.entries(kind=LOCKED):
        key = (str(entry.body.get("name")), str(entry.body.get("root")))
        found.pop(key, None)
        found[key] = entry
    return list(found.values())


def find(ledger: Ledger, *wanted: str) -> Entry:
    """Return the last lock of data whose name, root or root digest is one of those wanted.

    Raises:
        NotFoundError: there is none.
    """
    paths = {each.rstrip("/") or "/" for each in wanted}
    for entry in reversed(list(ledger.entries(kind=LOCKED))):
        body = entry.body
        if body.get("name") in wanted or body.get("digest") in wanted or _root(entry) in paths:
            return entry
    names = ", ".join(sorted({str(each.body.get("name")) for each in entries(ledger)}))
    raise NotFoundError(
        f"no data {wanted[-1]!r} is locked",
        hint=f"locked are {names}" if names else "lock it first: veristep data lock DIR",
    )


def load(ledger: Ledger, entry: Entry) -> Locked:
    """Return what an entry names, every byte of it checked.

    Raises:
        TamperedError, UnavailableError: an object is not what was logged, or gone.
        MalformedError: the entry or an object does not follow its format.
    """
    body, objects = entry.body, entry.body.get("objects")
    if not isinstance(objects, Mapping):
        raise MalformedError(f"entry {entry.index} names no manifest")
    manifest = datasets.decode(ledger.objects.read(str(objects.get("manifest"))))
    for file in manifest.files:
        check_file(file)
    states = decode_object(ledger.objects.read(str(objects.get("states"))))
    values = states.get("states")
    if states.get("format") != STATES_FORMAT or not isinstance(values, list):
        raise MalformedError(f"entry {entry.index}: its states have no known format")
    rows = decode_object(ledger.objects.read(str(objects.get("rows"))))
    return Locked(
        name=str(body.get("name")),
        root=_root(entry),
        manifest=manifest,
        states={file.path: _state(each) for file, each in zip(manifest.files, values, strict=False)},
        rows={path: str(text) for path, text in rows.items()},
        left_out=[_left_out(each) for each in _list(body.get("left_out"))],
        chosen=[datasets.path_from_json(each) for each in _list(body.get("chosen"))],
        digest=str(body.get("digest")),
        index=entry.index,
        time_ns=entry.time_ns,
        actor=entry.actor,
    )


def check_file(file: DataFile) -> None:
    """Check that a file's digest follows from its chunks'.

    Raises:
        TamperedError: it does not.
    """
    if file_digest(file.size, file.chunks) != file.digest:
        raise TamperedError(
            f"the manifest contradicts itself: the chunks of {file.path!r} give another digest"
        )


def _root(entry: Entry) -> str:
    return datasets.path_from_json(entry.body.get("root"))


def _left_out(value: Json) -> tuple[str, str]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise MalformedError(f"{value!r} does not say what could not be locked")
    return datasets.path_from_json(value[0]), str(value[1])


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _state(value: object) -> State | None:
    return tuple(value) if isinstance(value, list) else None


def describe(locked: Locked) -> dict[str, Json]:
    """Return what people want to know of a lock, as JSON."""
    return {
        "name": locked.name,
        "root": json.loads(json.dumps(locked.root, ensure_ascii=True)),
        "digest": locked.digest,
        "files": len(locked.manifest.files),
        "chunks": locked.manifest.chunks,
        "chunk_bytes": locked.manifest.chunk_bytes,
        "size": locked.manifest.size,
        "entry": locked.index,
        "time_ns": locked.time_ns,
        "actor": locked.actor,
    }
