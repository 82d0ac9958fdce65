"""The ledger's SQLite file: schema, connections, and what its errors mean.

WAL with full synchronisation: a transaction that has stored a checkpoint is on the disk before
`append` returns. A log that signed a size, lost entries in a power cut and signed that size again
with others would have forked itself.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from veristep.errors import (
    MalformedError,
    StorageError,
    UnavailableError,
    UsageError,
    VeristepError,
)
from veristep.ledger.layout import DB_FILE, WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x56534C31  # "VSL1"

TABLES = {
    "meta": "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # body last: reading hashes then never touches the pages a long body spills to
    "entry": "CREATE TABLE entry (idx INTEGER PRIMARY KEY, kind TEXT NOT NULL, run TEXT NOT NULL,"
    " hash BLOB NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL)",
    "entry_kind": "CREATE INDEX entry_kind ON entry (kind, idx)",
    "entry_run": "CREATE INDEX entry_run ON entry (run, idx)",
    "node": "CREATE TABLE node (level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,"
    " PRIMARY KEY (level, idx)) WITHOUT ROWID",
    "checkpoint": "CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, size INTEGER NOT NULL,"
    " note TEXT NOT NULL)",
    "project": "CREATE TABLE project (name TEXT PRIMARY KEY, salt BLOB NOT NULL,"
    " pseudonym TEXT NOT NULL, count INTEGER NOT NULL, head TEXT NOT NULL) WITHOUT ROWID",
    "opening": "CREATE TABLE opening (idx INTEGER NOT NULL, name TEXT NOT NULL, salt BLOB NOT NULL,"
    " value BLOB NOT NULL, PRIMARY KEY (idx, name)) WITHOUT ROWID",
}

_FULL_HINT = "free some space and try again; every entry accepted so far is kept"
_DAMAGED_HINT = "run `veristep ledger fsck` to see what is damaged; restore it from a copy"
_CODE_MASK = 0xFF  # the primary part of an extended SQLite result code


def create(path: Path) -> sqlite3.Connection:
    """Create the SQLite file of a new ledger and return a connection to it."""
    with guarded(path):
        connection = _connect(path, "rwc")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _set_up(connection)
        for statement in TABLES.values():
            connection.execute(statement)
    (path / DB_FILE).chmod(0o600)
    return connection


def open_writable(path: Path) -> sqlite3.Connection:
    """Open the ledger at `path` for reading and writing.

    Raises:
        MalformedError, StorageError, UnavailableError: it cannot be opened.
    """
    with guarded(path):
        return _probed(_set_up(_connect(path, "rw")))


@contextmanager
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger at `path` for reading, also on a read-only file system.

    A WAL database has to be able to make its side files. Where it cannot, the file is read as it is
    when no log lies beside it, else from a temporary copy of both.

    Raises:
        MalformedError, UnavailableError: it cannot be opened.
    """
    connection, copy = _open_reader(path)
    try:
        yield connection
    finally:
        connection.close()
        if copy is not None:
            copy.cleanup()


def open_read_only(
    path: Path,
) -> tuple[sqlite3.Connection, tempfile.TemporaryDirectory[str] | None]:
    """As `reader`, for a caller who closes the connection and cleans up the copy later."""
    return _open_reader(path)


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, naming the ledger at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except UnicodeDecodeError as error:  # Python could not even decode what SQLite says
        raise MalformedError(f"{path / DB_FILE} is damaged: {error}", hint=_DAMAGED_HINT) from error
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", hint=_FULL_HINT) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a block as one transaction that commits durably or leaves nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def translated(error: sqlite3.Error, path: Path) -> VeristepError:
    """Return the error of ours that says what `error` means for the ledger at `path`."""
    code = getattr(error, "sqlite_errorcode", 0) & _CODE_MASK
    file = path / DB_FILE
    if isinstance(error, sqlite3.ProgrammingError):
        return UsageError(f"the ledger {path} is closed")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return StorageError(f"cannot write {file}: {error}", hint=_FULL_HINT)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StorageError(f"cannot write {file}: it is read-only", hint="check mount and owner")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return UnavailableError(f"{file} is busy", hint="another process holds it; try again")
    if code == sqlite3.SQLITE_CANTOPEN:
        return UnavailableError(f"cannot open {file}: {error}", hint=_DAMAGED_HINT)
    return MalformedError(f"{file} is damaged: {error}", hint=_DAMAGED_HINT)


def _open_reader(path: Path) -> tuple[sqlite3.Connection, tempfile.TemporaryDirectory[str] | None]:
    with guarded(path):
        try:
            return _probed(_connect(path, "ro")), None
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", 0) & _CODE_MASK
            if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            if not (path / DB_FILE).is_file():
                raise
        log = path / (DB_FILE + "-wal")
        if not log.exists() or log.stat().st_size == 0:
            return _probed(_connect(path, "ro&immutable=1")), None
        copy = tempfile.TemporaryDirectory(prefix="veristep-")
        try:
            for name in (DB_FILE, log.name):
                shutil.copyfile(path / name, Path(copy.name) / name)
            return _probed(_connect(Path(copy.name), "rw")), copy
        except BaseException:
            copy.cleanup()
            raise


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str((path / DB_FILE).absolute()))}?mode={mode}"
    return sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=WAIT_SECONDS
    )


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _probed(connection: sqlite3.Connection) -> sqlite3.Connection:
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection
