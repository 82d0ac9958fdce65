"""Checking the log itself: entries, tree, checkpoints, projects and openings, from the bytes up."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from veristep.core import canonical
from veristep.core.merkle import Frontier, leaf_hash
from veristep.errors import MalformedError, TamperedError
from veristep.ledger import checkpoints, db
from veristep.ledger.entries import (
    Header,
    Opening,
    commitments,
    decode_header,
    digest_of,
    pseudonym,
    resolve,
)
from veristep.ledger.layout import DB_FILE
from veristep.ledger.objects import named_objects
from veristep.ledger.rows import ERASED_KIND
from veristep.ledger.tiles import TILE_HEIGHT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from veristep.core.canonical import Json
    from veristep.ledger.fsck_report import Gathering
    from veristep.ledger.fsck_snapshots import Snapshots
    from veristep.ledger.notes import VerifierKey

RUN_KINDS = frozenset({"run.opened", "segment.sealed"})


@dataclass(frozen=True, slots=True)
class RunEntry:
    """An entry the check of the run logs needs."""

    index: int
    kind: str
    run: str
    body: Mapping[str, Json]


@dataclass(slots=True)
class LogState:
    """What the replay of the log leaves for later checks."""

    size: int = 0
    sizes: list[int] = field(default_factory=list)
    latest_note: str = ""
    runs: list[RunEntry] = field(default_factory=list)
    objects: dict[str, str] = field(default_factory=dict)  # name -> the entry naming it
    snapshots: dict[str, Snapshots] = field(default_factory=dict)  # by run


@dataclass(slots=True)
class _Replay:
    frontier: Frontier = field(default_factory=Frontier)
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    projects: dict[str, tuple[int, str]] = field(default_factory=dict)
    opened: set[tuple[int, str]] = field(default_factory=set)
    unopened: set[tuple[int, str]] = field(default_factory=set)
    erased: set[tuple[int, str]] = field(default_factory=set)
    next_index: int = 0
    root_differs: bool = False


def check_log(out: Gathering, connection: sqlite3.Connection, key: VerifierKey | None) -> LogState:
    """Replay the log in the SQLite file and compare everything stored with it."""
    state = LogState()
    with out.stage(DB_FILE):
        check_database(out, connection)
    signed: list[tuple[int, str]] = []
    with out.stage(f"{DB_FILE} checkpoint"):
        signed = _stored_checkpoints(out, connection)
        state.sizes = [size for size, _ in signed]
        state.latest_note = signed[-1][1] if signed else ""
    replay = _Replay()
    with out.stage(f"{DB_FILE} entry"):
        _replay_entries(out, connection, key, signed, replay, state)
    state.size = replay.frontier.size
    if signed and signed[-1][0] != state.size:
        out.problem(
            "the entries are not those of the latest checkpoint",
            f"{DB_FILE} entry",
            f"{signed[-1][0]} entries",
            f"{state.size} entries",
        )
    for what, check in (
        ("node", _check_nodes),
        ("project", _check_projects),
        ("opening", _check_openings),
    ):
        with out.stage(f"{DB_FILE} {what}"):
            check(out, connection, replay)
    return state


def check_database(out: Gathering, connection: sqlite3.Connection) -> None:
    """Check SQLite's own structures, and that the tables are ours and nothing else."""
    for (line,) in connection.execute("PRAGMA integrity_check(100)"):
        if line != "ok":
            out.problem(f"SQLite says: {line}", DB_FILE)
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != db.APPLICATION_ID:
        out.problem("not a ledger's database", DB_FILE, hex(db.APPLICATION_ID), hex(application_id))
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"
    expected = sqlite3.connect(":memory:")
    try:
        for statement in db.TABLES.values():
            expected.execute(statement)
        wanted = set(expected.execute(query))
    finally:
        expected.close()
    found = set(connection.execute(query))
    for item in sorted(wanted ^ found, key=repr):
        what = "is missing or changed" if item in wanted else "does not belong here"
        out.problem(f"{item[0]} {item[1]!r} {what}", f"{DB_FILE} schema")


def _stored_checkpoints(out: Gathering, connection: sqlite3.Connection) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    expected_seq = 0
    for seq, size, note in connection.execute("SELECT * FROM checkpoint ORDER BY seq"):
        where = f"{DB_FILE} checkpoint {seq}"
        if seq != expected_seq:
            out.problem("a checkpoint is missing before this one", where, expected_seq, seq)
        expected_seq = seq + 1
        if not isinstance(size, int) or not isinstance(note, str):
            out.problem("the stored checkpoint is damaged", where)
        elif size <= found[-1][0] if found else size != 0:
            out.problem("the checkpoints do not follow each other in size", where, got=size)
        else:
            found.append((size, note))
    if not found:
        out.problem("there is no checkpoint", f"{DB_FILE} checkpoint")
    return found


def _replay_entries(
    out: Gathering,
    connection: sqlite3.Connection,
    key: VerifierKey | None,
    signed: list[tuple[int, str]],
    replay: _Replay,
    state: LogState,
) -> None:
    awaited = iter(signed)
    checkpoint = _check_due(out, key, awaited, next(awaited, None), replay)
    rows = connection.execute(
        "SELECT idx, kind, run, hash, header, body FROM entry NOT INDEXED ORDER BY idx"
    )
    for index, kind, run, stored_hash, header_bytes, body_bytes in rows:
        where = f"entry {index}"
        if index != replay.next_index:
            out.problem("entries are missing before this one", where, replay.next_index, index)
        replay.next_index = index + 1
        out.checked("entries")
        if not isinstance(header_bytes, bytes) or not isinstance(body_bytes, bytes):
            out.problem("the stored entry is damaged: not bytes", where)
            continue
        leaf = leaf_hash(header_bytes)
        if leaf != stored_hash:
            got = stored_hash.hex() if isinstance(stored_hash, bytes) else stored_hash
            out.problem("the stored hash is not that of the header", where, leaf.hex(), got)
        with out.stage(where):
            header = _check_header(out, where, header_bytes, (kind, run), replay)
            replay.projects[header.project] = (header.project_seq + 1, leaf.hex())
            _check_body(out, connection, index, header, body_bytes, replay, state)
        _grow(replay, leaf)
        checkpoint = _check_due(out, key, awaited, checkpoint, replay)


def _grow(replay: _Replay, leaf: bytes) -> None:
    index = replay.frontier.size
    completed = replay.frontier.append(leaf)
    for level in range(TILE_HEIGHT, len(completed), TILE_HEIGHT):
        replay.nodes[level // TILE_HEIGHT, index >> level] = completed[level]


def _check_due(
    out: Gathering,
    key: VerifierKey | None,
    awaited: Iterator[tuple[int, str]],
    checkpoint: tuple[int, str] | None,
    replay: _Replay,
) -> tuple[int, str] | None:
    """Check the checkpoint that signs the tree as it now is; return the next one awaited."""
    if checkpoint is None or checkpoint[0] != replay.frontier.size:
        return checkpoint
    size, note = checkpoint
    where = f"checkpoint of {size} entries"
    out.checked("checkpoints")
    with out.stage(where):
        if key is None:
            signed = checkpoints.read(note)
        else:
            signed = checkpoints.open_checkpoint(note, key)
            out.checked("checkpoint signatures")
        if signed.size != size:
            out.problem("the checkpoint signs another size", where, size, signed.size)
        elif signed.root != replay.frontier.root() and not replay.root_differs:
            # Every later root differs too; the first says between which checkpoints to look.
            replay.root_differs = True
            out.problem(
                "the entries up to here are not those that were signed",
                where,
                f"root {signed.root.hex()}",
                f"root {replay.frontier.root().hex()}",
            )
    return next(awaited, None)


def _check_header(
    out: Gathering, where: str, data: bytes, columns: tuple[object, object], replay: _Replay
) -> Header:
    header = decode_header(data)
    if columns != (header.kind, header.run):
        out.problem(
            "the stored kind and run are not the header's",
            where,
            (header.kind, header.run),
            columns,
        )
    count, previous = replay.projects.get(header.project, (0, ""))
    if (header.project_seq, header.project_previous) != (count, previous):
        out.problem(
            f"the entry does not follow the last one of its project {header.project[:16]}",
            where,
            f"number {count} after {previous or 'none'}",
            f"number {header.project_seq} after {header.project_previous or 'none'}",
        )
    return header


def _check_body(
    out: Gathering,
    connection: sqlite3.Connection,
    index: int,
    header: Header,
    data: bytes,
    replay: _Replay,
    state: LogState,
) -> None:
    actual = digest_of(data)
    out.checked("bodies")
    if actual != header.body_digest:
        out.problem("the body is not the logged one", f"entry {index}", header.body_digest, actual)
        return
    public = canonical.decode_object(data)
    body: Mapping[str, Json] = public
    committed = commitments(public)
    if committed:
        body = _check_entry_openings(out, connection, index, public, committed, replay)
    if header.kind == ERASED_KIND:
        replay.erased.add(_erased(body))
    if header.kind in RUN_KINDS:
        state.runs.append(RunEntry(index, header.kind, header.run, body))
    for name in named_objects(body):
        state.objects.setdefault(name, f"entry {index}")


def _erased(body: Mapping[str, Json]) -> tuple[int, str]:
    index, name = body.get("entry"), body.get("field")
    if not isinstance(index, int) or not isinstance(name, str):
        raise MalformedError("the entry does not say what was erased")
    return index, name


def _check_entry_openings(
    out: Gathering,
    connection: sqlite3.Connection,
    index: int,
    public: Mapping[str, Json],
    committed: Mapping[str, str],
    replay: _Replay,
) -> Mapping[str, Json]:
    found = []
    query = "SELECT name, salt, value FROM opening WHERE idx = ?"
    for name, salt, value in connection.execute(query, (index,)):
        where = f"entry {index} opening {name!r}"
        replay.opened.add((index, name))
        out.checked("openings")
        if not isinstance(salt, bytes) or not isinstance(value, bytes):
            out.problem("the stored opening is damaged: not bytes", where)
            continue
        opening = Opening(name, salt, value)
        try:
            resolve(public, [opening])
            found.append(opening)
        except (MalformedError, TamperedError) as error:
            out.problem(error.message, where, committed.get(name, "no commitment"))
    replay.unopened.update((index, name) for name in committed if (index, name) not in replay.opened)
    return resolve(public, found)


def _check_nodes(out: Gathering, connection: sqlite3.Connection, replay: _Replay) -> None:
    found = {
        (level, index): value
        for level, index, value in connection.execute("SELECT level, idx, hash FROM node")
    }
    out.checked("inner hashes", len(found))
    for place in sorted(found.keys() | replay.nodes.keys(), key=repr):
        if found.get(place) != replay.nodes.get(place):
            out.problem(
                "the stored inner hash is not that of the entries below it",
                f"{DB_FILE} node {place[0]}/{place[1]}",
                _hex(replay.nodes.get(place)),
                _hex(found.get(place)),
            )


def _check_projects(out: Gathering, connection: sqlite3.Connection, replay: _Replay) -> None:
    unseen = dict(replay.projects)
    query = "SELECT name, salt, pseudonym, count, head FROM project"
    for name, salt, stored, count, head in connection.execute(query):
        where = f"{DB_FILE} project {name!r}"
        out.checked("projects")
        if not isinstance(salt, bytes) or pseudonym(salt, name) != stored:
            out.problem("the pseudonym is not that of the project's salt and name", where)
        expected = unseen.pop(stored, (0, ""))
        if (count, head) != expected:
            out.problem("the project's end is not that of its entries", where, expected, (count, head))
    for missing in unseen:
        out.problem("the project's name and salt are missing", f"{DB_FILE} project {missing}")


def _check_openings(out: Gathering, connection: sqlite3.Connection, replay: _Replay) -> None:
    for index, name in sorted(replay.unopened - replay.erased):
        out.problem(
            "the value of a sensitive field is missing and was not logged as erased",
            f"entry {index} opening {name!r}",
        )
    if gone := len(replay.unopened & replay.erased):
        out.not_checked(f"{gone} sensitive values: erased, as the log says")
    stored = set(connection.execute("SELECT idx, name FROM opening"))
    for index, name in sorted(stored - replay.opened, key=repr):
        out.problem("the opening belongs to no commitment", f"entry {index} opening {name!r}")


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
