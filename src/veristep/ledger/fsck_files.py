"""Checking the files around the log: format, keys, public tiles, objects, what is remembered."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.core.merkle import consistency_ranges, range_root
from veristep.errors import VeristepError
from veristep.ledger import checkpoints, create, keys, layout, memory, notes, publish, rows
from veristep.ledger.objects import TEMPORARY, ObjectStore
from veristep.ledger.tiles import full_tiles, parse_path

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from veristep.ledger.fsck_log import LogState
    from veristep.ledger.fsck_report import Gathering
    from veristep.ledger.notes import VerifierKey

_KNOWN = frozenset(
    {
        layout.FORMAT_FILE,
        layout.VKEY_FILE,
        layout.DB_FILE,
        layout.DB_FILE + "-wal",
        layout.DB_FILE + "-shm",
        layout.CHECKPOINT_FILE,
        layout.TILE_FOLDER,
        layout.OBJECT_FOLDER,
        layout.RUN_FOLDER,
        Path(layout.KEY_FILE).parent.name,
        "lost+found",
    }
)


@dataclass(slots=True)
class PublicFiles:
    """The public log as it was at one moment; partial tiles may be gone a moment later."""

    checkpoint: bytes | None = None
    paths: set[str] = field(default_factory=set)
    partials: dict[str, bytes] = field(default_factory=dict)


def take_public_files(path: Path) -> PublicFiles:
    """Read what may change of the public log."""
    files = PublicFiles()
    checkpoint = path / layout.CHECKPOINT_FILE
    if checkpoint.is_file():
        files.checkpoint = checkpoint.read_bytes()
    for item in (path / layout.TILE_FOLDER).rglob("*"):
        if item.is_dir() and not item.is_symlink():
            continue
        name = item.relative_to(path).as_posix()
        files.paths.add(name)
        if item.parent.suffix == ".p" and item.is_file():
            files.partials[name] = item.read_bytes()
    return files


def check_identity(out: Gathering, path: Path) -> VerifierKey | None:
    """Check the format and key files; return the key that verifies the log."""
    found: list[VerifierKey] = []
    origins: list[str] = []
    with out.stage(layout.FORMAT_FILE):
        origins.append(layout.read_format(path).origin)
        out.checked("format file")
    with out.stage(layout.VKEY_FILE):
        found.append(create.read_vkey(path, origins[0] if origins else None))
        out.checked("key files")
    with out.stage(layout.KEY_FILE):
        found.append(keys.load(path / layout.KEY_FILE).verifier)
        out.checked("key files")
    if not found:
        return None
    if found[0] != found[-1]:
        out.problem("is not the ledger's signing key", layout.KEY_FILE, found[0], found[-1])
    return found[0]


def check_format_row(out: Gathering, path: Path, connection: sqlite3.Connection, key: VerifierKey) -> None:
    """Check the format file against its signed copy in the SQLite file."""
    found = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    note = found.pop(create.FORMAT_ROW, None)
    for name in found:
        out.problem("does not belong here", f"{layout.DB_FILE} meta {name!r}")
    if not isinstance(note, str):
        out.problem("the signed copy of the format file is missing", f"{layout.DB_FILE} meta")
        return
    expected = notes.open_note(note, [key]).text
    got = (path / layout.FORMAT_FILE).read_bytes()
    if got != expected.encode():
        out.problem("not as it was signed", layout.FORMAT_FILE, expected, got)


def check_public(
    out: Gathering, path: Path, connection: sqlite3.Connection, state: LogState, files: PublicFiles
) -> None:
    """Compare the public log with the replayed one, byte for byte."""
    where = layout.CHECKPOINT_FILE
    if files.checkpoint is None:
        out.problem("the public checkpoint is missing", where)
    elif files.checkpoint != state.latest_note.encode():
        out.problem(
            "the public checkpoint is not the latest one; if a crash came between, opening the "
            "ledger completes it",
            where,
            state.latest_note,
            files.checkpoint.decode("utf-8", "backslashreplace"),
        )
    expected = {tile.path: tile for tile in full_tiles(state.size)}
    expected |= {tile.path: tile for tile in publish.expected_partials(state.sizes)}
    for name in sorted(files.paths - expected.keys()):
        out.problem("does not belong into the public log", name)
    for name, tile in expected.items():
        with out.stage(name):
            if name not in files.paths or not (name in files.partials or (path / name).is_file()):
                out.problem("is missing from the public log", name)
                continue
            data = files.partials[name] if name in files.partials else (path / name).read_bytes()
            out.checked("tiles and bundles")
            wanted = publish.content(connection, tile)
            if data != wanted:
                out.problem("is not what the log holds", name, *_first_difference(wanted, data))


def check_public_alone(out: Gathering, files: PublicFiles, key: VerifierKey | None) -> None:
    """Check what can be checked of the public log when there is no database to compare with."""
    with out.stage(layout.CHECKPOINT_FILE):
        if files.checkpoint is None:
            out.problem("the public checkpoint is missing", layout.CHECKPOINT_FILE)
        elif key is not None:
            checkpoints.open_checkpoint(files.checkpoint, key)
            out.checked("checkpoint signatures")
    for name in sorted(files.paths):
        with out.stage(name):
            parse_path(name)
    out.not_checked("tiles, entries, runs: the database cannot be read")


def check_objects(
    out: Gathering,
    store: ObjectStore,
    named: Mapping[str, str],
    folder: str = layout.OBJECT_FOLDER,
    what: str = "objects",
) -> set[str]:
    """Check every object against its name, and that none that is named is missing; return those found."""
    found: set[str] = set()
    for item in sorted(store.root.rglob("*")):
        if item.is_dir() and not item.is_symlink():
            continue
        relative = item.relative_to(store.root)
        where = f"{folder}/{relative.as_posix()}"
        if relative.parts[0] == TEMPORARY:
            out.not_checked(f"{where}: an object being written, or left by a crash")
            continue
        name = f"blake3:{item.name}"
        with out.stage(where):
            if store.path(name) != item or not item.is_file():
                out.problem("does not lie where an object of that name belongs", where)
                continue
            found.add(name)
            out.checked(what)
            store.verify(name)
    for name, entry in sorted(named.items()):
        if name not in found:
            out.problem(f"the object {name} is missing", entry)
    return found


def check_memory(out: Gathering, connection: sqlite3.Connection, state: LogState, key: VerifierKey) -> None:
    """Compare the log with what this user remembers of it."""
    seen = memory.recall(key.name)
    if seen is None:
        out.not_checked("rollback: nothing is remembered of this ledger under this user")
        return
    node = rows.node_reader(connection)

    def prove(old: int, new: int) -> list[bytes]:
        return [range_root(start, end, node) for start, end in consistency_ranges(old, new)]

    out.checked("remembered checkpoints")
    try:
        memory.check(seen, str(key), checkpoints.open_checkpoint(state.latest_note, key), prove)
    except VeristepError as error:
        out.problem(error.message, str(memory.state_path(key.name)))


def list_unknown(out: Gathering, path: Path) -> None:
    """Name what lies in the folder and is not the ledger's."""
    unknown = sorted({item.name for item in path.iterdir()} - _KNOWN)
    out_of_place = [name for name in unknown if not name.startswith(layout.TEMPORARY_PREFIX)]
    if out_of_place:
        out.not_checked(f"not part of a ledger: {', '.join(out_of_place)}")


def _first_difference(wanted: bytes, got: bytes) -> tuple[str, str]:
    pairs = zip(wanted, got, strict=False)
    position = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(got)))
    window = slice(position, position + 16)
    return (
        f"{len(wanted)} bytes, {wanted[window].hex()} at byte {position}",
        f"{len(got)} bytes, {got[window].hex()} at byte {position}",
    )
