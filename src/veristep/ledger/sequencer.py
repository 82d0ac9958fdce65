"""Giving entries their place: the one writer's side of the log."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from veristep.core.merkle import Frontier, leaf_hash
from veristep.errors import TamperedError
from veristep.ledger import checkpoints, rows
from veristep.ledger.entries import (
    SALT_BYTES,
    Header,
    Prepared,
    digest_of,
    encode_header,
    pseudonym,
)
from veristep.ledger.keys import key_id
from veristep.ledger.tiles import TILE_HEIGHT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from veristep.ledger.notes import SignerKey


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry that has its place."""

    index: int
    leaf_hash: bytes


@dataclass(slots=True)
class Head:
    """The end of the log: what the next entry is appended to."""

    seq: int
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class _Project:
    pseudonym: str
    count: int
    head: str


def read_head(connection: sqlite3.Connection, verifier_name: str) -> Head:
    """Return the end of the log as stored, checked against its latest checkpoint.

    Raises:
        TamperedError: the stored hashes are not those the checkpoint signs.
        MalformedError: a part is missing.
    """
    stored = rows.latest_checkpoint(connection)
    frontier = rows.load_frontier(connection, stored.size)
    signed = checkpoints.read(stored.note)
    if (signed.origin, signed.size) != (verifier_name, stored.size):
        raise TamperedError(
            f"checkpoint {stored.seq} is about {signed.size} entries of {signed.origin}: "
            f"expected {stored.size} of {verifier_name}"
        )
    if signed.root != frontier.root():
        raise TamperedError(
            f"the stored entries are not those checkpoint {stored.seq} signs: "
            f"expected root {signed.root.hex()}, got {frontier.root().hex()}",
            hint="run `veristep ledger fsck` to see which; do not append to this ledger",
        )
    return Head(stored.seq, frontier)


def add(
    connection: sqlite3.Connection, head: Head, prepared: Sequence[Prepared], signer: SignerKey
) -> tuple[list[Placed], str]:
    """Append entries and a checkpoint within the running transaction, moving `head`.

    Returns:
        The entries' places and the signed checkpoint, which must not leave the process before the
        transaction is committed.
    """
    actor = key_id(signer.verifier)
    projects = {p.project: _project(connection, p.project) for p in prepared}
    placed = []
    for draft in prepared:
        project = projects[draft.project]
        header = encode_header(_header(draft, project, actor))
        index, leaf = head.frontier.size, leaf_hash(header)
        _insert(connection, index, draft, header, leaf)
        _insert_nodes(connection, index, head.frontier.append(leaf))
        projects[draft.project] = replace(project, count=project.count + 1, head=leaf.hex())
        placed.append(Placed(index, leaf))
    for name, project in projects.items():
        connection.execute(
            "UPDATE project SET count = ?, head = ? WHERE name = ?",
            (project.count, project.head, name),
        )
    head.seq += 1
    return placed, add_checkpoint(connection, head, signer)


def add_checkpoint(connection: sqlite3.Connection, head: Head, signer: SignerKey) -> str:
    """Sign and store the checkpoint of `head` within the running transaction."""
    frontier = head.frontier
    checkpoint = checkpoints.Checkpoint(signer.name, frontier.size, frontier.root())
    note = checkpoints.sign(checkpoint, signer)
    connection.execute(
        "INSERT INTO checkpoint (seq, size, note) VALUES (?, ?, ?)", (head.seq, frontier.size, note)
    )
    return note


def _header(draft: Prepared, project: _Project, actor: str) -> Header:
    return Header(
        kind=draft.kind,
        time_ns=time.time_ns(),
        project=project.pseudonym,
        project_seq=project.count,
        project_previous=project.head,
        actor=actor,
        run=draft.run,
        body_digest=digest_of(draft.body),
    )


def _project(connection: sqlite3.Connection, name: str) -> _Project:
    row = connection.execute(
        "SELECT pseudonym, count, head FROM project WHERE name = ?", (name,)
    ).fetchone()
    if row is not None:
        return _Project(*row)
    salt = os.urandom(SALT_BYTES)
    project = _Project(pseudonym(salt, name), 0, "")
    connection.execute(
        "INSERT INTO project (name, salt, pseudonym, count, head) VALUES (?, ?, ?, ?, ?)",
        (name, salt, project.pseudonym, project.count, project.head),
    )
    return project


def _insert(
    connection: sqlite3.Connection, index: int, draft: Prepared, header: bytes, leaf: bytes
) -> None:
    connection.execute(
        "INSERT INTO entry (idx, kind, run, hash, header, body) VALUES (?, ?, ?, ?, ?, ?)",
        (index, draft.kind, draft.run, leaf, header, draft.body),
    )
    connection.executemany(
        "INSERT INTO opening (idx, name, salt, value) VALUES (?, ?, ?, ?)",
        [(index, opening.name, opening.salt, opening.value) for opening in draft.openings],
    )


def _insert_nodes(connection: sqlite3.Connection, index: int, completed: Sequence[bytes]) -> None:
    # Of the inner nodes only the roots of full tiles are kept, as in the files of the log.
    for level in range(TILE_HEIGHT, len(completed), TILE_HEIGHT):
        connection.execute(
            "INSERT INTO node (level, idx, hash) VALUES (?, ?, ?)",
            (level // TILE_HEIGHT, index >> level, completed[level]),
        )
