"""Checking a whole ledger: what can be recomputed is, and is compared with what is there."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.errors import NotFoundError, UnavailableError, VeristepError
from veristep.ledger import db, fsck_files, fsck_log, fsck_runs, fsck_snapshots, layout
from veristep.ledger.fsck_report import FsckReport, Gathering, Problem
from veristep.ledger.objects import ObjectStore

if TYPE_CHECKING:
    from veristep.ledger.notes import VerifierKey

__all__ = ["FsckReport", "Problem", "fsck"]

_TURN_SECONDS = 10.0


def fsck(path: Path) -> FsckReport:
    """Check the ledger at `path`: every entry, hash, signature, tile, object and sealed segment.

    Nothing is written, and nothing that is read is trusted but the ledger's verifying key and what
    this user remembers of the ledger. Writers are held up only while the public files that change
    are read. Damage of any kind is reported, not raised.

    Raises:
        NotFoundError: there is no folder at `path`.
    """
    path = Path(path).absolute()
    if not path.is_dir():
        raise NotFoundError(f"there is no folder {path}", hint="name the folder of a ledger")
    out = Gathering()
    key = fsck_files.check_identity(out, path)
    files = fsck_files.PublicFiles()
    state = fsck_log.LogState()
    with ExitStack() as stack:
        try:
            with ExitStack() as moment:
                _hold_writers(out, path, moment)
                with out.stage(layout.TILE_FOLDER):
                    files = fsck_files.take_public_files(path)
                connection = stack.enter_context(db.reader(path))
                connection.text_factory = _lenient
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (VeristepError, sqlite3.Error, UnicodeDecodeError) as error:
            out.problem(str(error), layout.DB_FILE)
            fsck_files.check_public_alone(out, files, key)
        else:
            state = fsck_log.check_log(out, connection, key)
            with out.stage(layout.TILE_FOLDER):
                fsck_files.check_public(out, path, connection, state, files)
            _check_with_key(out, path, connection, key, state)
    with out.stage(layout.RUN_FOLDER):
        fsck_runs.check_runs(out, path, state)
    with out.stage(layout.OBJECT_FOLDER):
        store = ObjectStore(path / layout.OBJECT_FOLDER)
        fsck_files.check_objects(out, store, state.objects)
    fsck_snapshots.check_snapshots(out, path, store, state.snapshots)
    with out.stage(str(path)):
        fsck_files.list_unknown(out, path)
    return out.report()


def _hold_writers(out: Gathering, path: Path, moment: ExitStack) -> None:
    try:
        moment.enter_context(layout.turn(path, _TURN_SECONDS))
    except UnavailableError:
        out.not_checked("that the public files are of one moment: the ledger stayed busy")
    except VeristepError as error:
        out.problem(error.message, layout.FORMAT_FILE)


def _check_with_key(
    out: Gathering,
    path: Path,
    connection: sqlite3.Connection,
    key: VerifierKey | None,
    state: fsck_log.LogState,
) -> None:
    if key is None:
        out.not_checked("signatures, rollback: there is no key to verify them with")
        return
    with out.stage(layout.FORMAT_FILE):
        fsck_files.check_format_row(out, path, connection, key)
    with out.stage("memory"):
        fsck_files.check_memory(out, connection, state, key)


def _lenient(text: bytes) -> str:
    # Text that is not UTF-8 has to reach the checks instead of ending them.
    return text.decode("utf-8", "backslashreplace")
