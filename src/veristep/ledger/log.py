"""The ledger of one machine or team: append, read, prove."""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.core import canonical, merkle
from veristep.errors import (
    MalformedError,
    StorageError,
    TamperedError,
    UnavailableError,
    UsageError,
    VeristepError,
)
from veristep.ledger import (
    checkpoints,
    db,
    entries,
    keys,
    layout,
    memory,
    notes,
    publish,
    rows,
    sequencer,
)
from veristep.ledger import create as founding
from veristep.ledger.entries import Draft, Entry
from veristep.ledger.layout import default_path
from veristep.ledger.objects import ObjectStore

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Ledger", "Receipt", "default_path"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was accepted: the entry's place, its leaf hash, and the checkpoint that covers it."""

    index: int
    leaf_hash: str
    checkpoint: str
    size: int


class Ledger:
    """An append-only log in a folder; any number of processes and threads may use it at once."""

    path: Path
    origin: str
    objects: ObjectStore

    def __init__(
        self,
        path: Path,
        key: notes.VerifierKey,
        connection: sqlite3.Connection,
        copy: tempfile.TemporaryDirectory[str] | None = None,
        *,
        writable: bool = True,
    ) -> None:
        """Use `init` or `open`."""
        self.path = path
        self.origin = key.name
        self.objects = ObjectStore(path / layout.OBJECT_FOLDER)
        self._key = key
        self._connection = connection
        self._copy = copy
        self._writable = writable
        self._signer: notes.SignerKey | None = None
        self._head: sequencer.Head | None = None
        self._mutex = threading.RLock()

    @classmethod
    def init(cls, path: Path, *, origin: str | None = None) -> Self:
        """Create a ledger in `path`, an empty or missing folder.

        Raises:
            UsageError: the folder is not empty, or `origin` is the name of another ledger.
            MalformedError: `origin` cannot name a log.
            StorageError: the folder cannot be written.
        """
        path = Path(path).absolute()
        origin = origin or f"veristep.local/{os.urandom(4).hex()}"
        notes.check_name(origin)
        known = memory.recall(origin)
        if known is not None:
            raise UsageError(
                f"a ledger named {origin} has been seen already",
                hint=f"give each ledger its own origin, or remove {memory.state_path(origin)}",
            )
        try:
            path.mkdir(mode=keys.FOLDER_MODE, parents=True, exist_ok=True)
            key, connection = founding.create(path, origin)
        except OSError as error:
            raise StorageError(
                f"cannot create a ledger in {path}: {error.strerror}",
                hint="choose a folder you can write to, or free some space",
            ) from error
        ledger = cls(path, key, connection)
        ledger._check()
        return ledger

    @classmethod
    def open(cls, path: Path, *, create: bool = False) -> Self:
        """Open the ledger in `path`; with `create`, make it if there is none.

        Checks the latest checkpoint and demands that the ledger goes on from what this user saw of
        it before. A ledger on a read-only file system can be read.

        Raises:
            NotFoundError: there is no ledger.
            UnsupportedVersionError: a format this Veristep does not read.
            TamperedError: it is not what was signed, or not what was seen before.
            MalformedError, UnavailableError, StorageError: it cannot be read.
        """
        path = Path(path).absolute()
        if create and not (path / layout.FORMAT_FILE).exists():
            try:
                return cls.init(path)
            except UsageError:
                if not (path / layout.FORMAT_FILE).exists():
                    raise  # else another process was quicker
        key = founding.read_vkey(path, layout.read_format(path).origin)
        writable = os.access(path, os.W_OK) and os.access(path / layout.DB_FILE, os.W_OK)
        copy = None
        if writable:
            connection = db.open_writable(path)
        else:
            connection, copy = db.open_read_only(path)
        ledger = cls(path, key, connection, copy, writable=writable)
        try:
            ledger._check()
        except BaseException:
            ledger.close()
            raise
        return ledger

    def append(self, *drafts: Draft) -> list[Receipt]:
        """Append entries, all or none; they are on the disk when this returns.

        Raises:
            UsageError, MalformedError: a draft is not what it has to be.
            StorageError: the disk is full, or the ledger read-only; nothing was appended.
            UnavailableError: other processes kept the ledger busy for 30 s.
            TamperedError: the ledger is not what was signed; nothing was appended.
        """
        prepared = [entries.prepare(draft) for draft in drafts]
        if not prepared:
            return []
        with self._mutex, db.guarded(self.path):
            signer = self._load_signer()
            with layout.turn(self.path):
                head = self._current_head()
                self._head = None  # kept only if the transaction commits
                with db.transaction(self._connection):
                    placed, note = sequencer.add(self._connection, head, prepared, signer)
                self._head = head
                self._publish()
        size = head.frontier.size
        memory.remember(self.origin, memory.Seen(str(self._key), note), size)
        return [Receipt(place.index, place.leaf_hash.hex(), note, size) for place in placed]

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes that follow from `purpose` and that only the holder of the log's key can compute.

        Raises:
            StorageError: the ledger is read-only.
        """
        # Ed25519 signs the same message in the same way each time; no note begins like this one.
        message = f"veristep/secret/v1\n{self.origin}\n{purpose}".encode()
        with self._mutex:
            return hashlib.sha256(self._load_signer().sign(message)).digest()

    def entries(
        self, *, run: str | None = None, kind: str | None = None, since: int = 0
    ) -> Iterator[Entry]:
        """Yield entries in order, from index `since`, of one run or kind if asked.

        Raises:
            TamperedError: a body or an opening is not what its entry commits to.
            MalformedError: an entry is damaged.
        """
        while True:
            with self._reading():
                page = rows.entry_page(self._connection, run, kind, since)
                found = [self._entry(stored) for stored in page]
            yield from found
            if len(page) < rows.PAGE_ROWS:
                return
            since = page[-1].index + 1

    def size(self) -> int:
        """Return the number of entries."""
        with self._reading():
            return rows.latest_checkpoint(self._connection).size

    def checkpoint(self) -> str:
        """Return the latest checkpoint, a signed note."""
        with self._reading():
            return rows.latest_checkpoint(self._connection).note

    def checkpoint_covering(self, index: int) -> str:
        """Return the first checkpoint that covers entry `index`, a signed note.

        Raises:
            UsageError: there is no such entry.
            MalformedError, TamperedError: it is not what the ledger's key signed.
        """
        with self._reading():
            stored = rows.covering_checkpoint(self._connection, index)
        checkpoints.open_checkpoint(stored.note, self._key)
        return stored.note

    def root(self, size: int) -> bytes:
        """Return the root hash of the tree over the first `size` entries.

        Raises:
            UsageError: there are not so many.
        """
        with self._reading():
            return rows.load_frontier(self._connection, self._size_for(size)).root()

    def vkey(self) -> str:
        """Return the key that verifies the log's checkpoints."""
        return str(self._key)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the proof that entry `index` is in the tree of `size` entries (default: all).

        Raises:
            UsageError: there is no such entry or no such size.
        """
        with self._reading():
            size = self._size_for(size)
            if not 0 <= index < size:
                raise UsageError(f"there is no entry {index} among {size}")
            return self._range_roots(merkle.inclusion_ranges(index, size))

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Return the proof that the tree of `new` entries (default: all) begins with `old`.

        Raises:
            UsageError: not 0 < old <= new <= size.
        """
        with self._reading():
            new = self._size_for(new)
            if not 0 < old <= new:
                raise UsageError(f"no tree of {old} entries comes before one of {new}")
            return self._range_roots(merkle.consistency_ranges(old, new))

    def erase(self, index: int, name: str) -> Receipt:
        """Erase the opening of one sensitive field for good, and log that it was erased.

        The commitment stays, so the tree holds; the value can no longer be shown. SQLite
        overwrites the value (secure_delete); copies elsewhere are not reached.

        Raises:
            UsageError: there is no such opening.
            StorageError: the ledger cannot be written.
        """
        with self._mutex:
            with self._reading():
                draft = rows.erasure(self._connection, index, name)
            # Logged first: a value that is missing and was not logged as erased is a finding.
            receipt = self.append(draft)[0]
            with db.guarded(self.path), layout.turn(self.path):
                self._connection.execute("PRAGMA secure_delete = ON")
                self._connection.execute("DELETE FROM opening WHERE idx = ? AND name = ?", (index, name))
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return receipt

    def run_dir(self, run: str) -> Path:
        """Return the folder of a run, made if it is not there.

        Raises:
            UsageError: `run` cannot name a run.
            StorageError: the folder cannot be made.
        """
        entries.check_run(run)
        folder = self.path / layout.RUN_FOLDER / run
        try:
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create {folder}: {error.strerror}") from error
        return folder

    def close(self) -> None:
        """Close the ledger; further use is an error."""
        with self._mutex:
            self._connection.close()
            if self._copy is not None:
                self._copy.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._mutex, db.guarded(self.path):
            yield

    def _check(self) -> None:
        # Recalled before the log is read: what another process appends and remembers meanwhile is no loss.
        seen = memory.recall(self.origin)
        with self._reading():
            # One snapshot: other processes may be appending.
            self._connection.execute("BEGIN")
            try:
                self._head = sequencer.read_head(self._connection, self.origin)
                note = rows.latest_checkpoint(self._connection).note
                current = checkpoints.open_checkpoint(note, self._key)
                if seen is not None:
                    memory.check(seen, str(self._key), current, self._prove)
            finally:
                self._connection.execute("ROLLBACK")
        memory.remember(self.origin, memory.Seen(str(self._key), note), current.size)
        if self._writable and not publish.is_complete(self.path, self._connection):
            with suppress(UnavailableError, StorageError), layout.turn(self.path):
                self._publish()

    def _prove(self, old: int, new: int) -> list[bytes]:
        return self._range_roots(merkle.consistency_ranges(old, new))

    def _range_roots(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        node = rows.node_reader(self._connection)
        return [merkle.range_root(start, end, node) for start, end in ranges]

    def _size_for(self, size: int | None) -> int:
        current = rows.latest_checkpoint(self._connection).size
        if size is None:
            return current
        if not 0 <= size <= current:
            raise UsageError(f"the ledger has {current} entries, not {size}")
        return size

    def _load_signer(self) -> notes.SignerKey:
        if not self._writable:
            raise StorageError(f"the ledger {self.path} is read-only", hint="check mount and owner")
        if self._signer is None:
            signer = keys.load(self.path / layout.KEY_FILE)
            if signer.verifier != self._key:
                raise TamperedError(
                    f"{self.path / layout.KEY_FILE} is not the ledger's key: "
                    f"expected {self._key}, got {signer.verifier}"
                )
            self._signer = signer
        return self._signer

    def _current_head(self) -> sequencer.Head:
        latest = rows.latest_checkpoint(self._connection)
        head = self._head
        if head is None or (head.seq, head.frontier.size) != (latest.seq, latest.size):
            checkpoints.open_checkpoint(latest.note, self._key)
            head = sequencer.read_head(self._connection, self.origin)
        return head

    def _publish(self) -> None:
        try:
            publish.publish(self.path, self._connection)
        except (OSError, sqlite3.Error, VeristepError) as error:
            # What is committed is accepted; the public files are completed by the next append or
            # open, and fsck says that they are behind.
            _log.warning("the public files of %s are behind: %s", self.path, error)

    def _entry(self, stored: rows.StoredEntry) -> Entry:
        try:
            header = entries.decode_header(stored.header)
            body = canonical.decode_object(stored.body)
            actual = entries.digest_of(stored.body)
            if actual != header.body_digest:
                raise TamperedError(
                    f"its body is not the logged one: expected {header.body_digest}, got {actual}"
                )
            resolved = entries.resolve(body, rows.openings(self._connection, stored.index))
        except (MalformedError, TamperedError) as error:
            raise type(error)(
                f"entry {stored.index} of {self.path}: {error}",
                hint="run `veristep ledger fsck` to see what else is damaged",
            ) from error
        return Entry(
            index=stored.index,
            kind=header.kind,
            time_ns=header.time_ns,
            project=header.project,
            project_seq=header.project_seq,
            project_previous=header.project_previous,
            actor=header.actor,
            run=header.run,
            body_digest=header.body_digest,
            body=resolved,
        )
