"""Creating a ledger, and reading the files that say which ledger it is."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from veristep.core.merkle import Frontier
from veristep.errors import MalformedError, TamperedError, UnavailableError, UsageError
from veristep.ledger import db, keys, layout, notes, publish, sequencer

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

FORMAT_ROW = "format"

_MAX_VKEY_BYTES = 4096
_NOT_OURS = frozenset({"lost+found"})  # what an empty mounted volume holds


def create(path: Path, origin: str) -> tuple[notes.VerifierKey, sqlite3.Connection]:
    """Create the files of a ledger in the empty folder `path`.

    Of several processes that try, one succeeds. The format file is written last, so that a folder
    holding one holds a whole ledger.

    Raises:
        UsageError: the folder is not empty.
        OSError, VeristepError: it cannot be written.
    """
    with layout.locked_folder(path):
        if (path / layout.FORMAT_FILE).exists():
            raise UsageError(f"{path} already holds a ledger", hint="open it, or choose another")
        if {item.name for item in path.iterdir()} - _NOT_OURS:
            raise UsageError(f"{path} is not empty, and holds no ledger", hint="choose an empty folder")
        path.chmod(keys.FOLDER_MODE)
        signer = keys.create(path / layout.KEY_FILE, origin)
        layout.write_atomically(path / layout.VKEY_FILE, f"{signer.verifier}\n".encode(), sync=True)
        form = layout.Format(origin, time.time_ns()).encode()
        connection = db.create(path)
        try:
            with db.guarded(path), db.transaction(connection):
                connection.execute(
                    "INSERT INTO meta (name, value) VALUES (?, ?)",
                    (FORMAT_ROW, notes.sign(form.decode(), signer)),
                )
                sequencer.add_checkpoint(connection, sequencer.Head(0, Frontier()), signer)
            for folder in (layout.OBJECT_FOLDER, layout.RUN_FOLDER):
                (path / folder).mkdir(mode=keys.FOLDER_MODE)
            publish.publish(path, connection)
            layout.write_atomically(path / layout.FORMAT_FILE, form, sync=True)
            _sync_folder(path)
        except BaseException:
            connection.close()
            raise
    return signer.verifier, connection


def read_vkey(path: Path, origin: str | None) -> notes.VerifierKey:
    """Read the key that verifies the ledger at `path`.

    Raises:
        UnavailableError: there is none.
        MalformedError: the file holds no key.
        TamperedError: it is the key of another ledger than `origin`, when that is known.
    """
    file = path / layout.VKEY_FILE
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_VKEY_BYTES)
        text = data.decode("utf-8")
    except OSError as error:
        raise UnavailableError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MalformedError(f"{file} holds no key") from error
    if not text.endswith("\n"):
        raise MalformedError(f"{file} is damaged: its line has no end")
    try:
        key = notes.parse_vkey(text[:-1])
    except MalformedError as error:
        raise MalformedError(f"{file} is damaged: {error}") from error
    if origin is not None and key.name != origin:
        raise TamperedError(f"{file} is of another ledger: expected {origin}, got {key.name}")
    return key


def _sync_folder(path: Path) -> None:
    # Some file systems refuse to sync a folder; then creation is as durable as they make it.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
