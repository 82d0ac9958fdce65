"""What an audit has judged so far, so that one that was interrupted goes on where it stopped.

One file per unfinished audit, ``runs/<run>/audits/<id>.jsonl`` in the ledger: a first line that says what
audit it is (its draw, its choice), then a line per verdict, each synced to the disk. It holds verdicts, so
it is not believed: every line carries a MAC under a key that only the holder of the ledger's key can
compute, over the whole first line and its own place. Whoever holds that key can write a false entry
outright. A line taken out is an interval judged again. See `docs/formats/audit.md`.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from veristep import __version__
from veristep.core.canonical import Json, decode_object, encode
from veristep.core.verdicts import Verdict
from veristep.errors import MalformedError, StorageError, VeristepError
from veristep.ledger.log import Ledger
from veristep.replay.audit import Judged
from veristep.replay.engines import wire
from veristep.replay.engines.protocol import Engine, merge
from veristep.replay.plan.intervals import Interval

FORMAT = "veristep-audit-journal/1"
FOLDER = "audits"
_PURPOSE = "veristep/audit-journal/v1"


@dataclass(slots=True)
class Journal:
    """An unfinished audit on the disk; the file is locked while somebody goes on with it.

    Attributes:
        path: the file.
        what: which audit this is: its draw, choice and version.
        judged: the verdicts so far, by interval number.
        facts: what the replays ran in, as known after the last of them.
        resumed: whether it was found rather than begun.
    """

    path: Path
    what: Mapping[str, Json]
    _key: bytes = field(repr=False)
    _descriptor: int
    judged: dict[int, Judged] = field(default_factory=dict)
    facts: dict[str, Json] = field(default_factory=dict)
    resumed: bool = False
    _lines: int = 1

    @classmethod
    def begin(cls, ledger: Ledger, directory: Path, what: Mapping[str, Json]) -> Journal:
        """Start the journal of a new audit.

        Raises:
            StorageError: it cannot be written.
        """
        folder = directory / FOLDER
        path = folder / f"{secrets.token_hex(8)}.jsonl"
        described = {"format": FORMAT, "version": __version__, **what}
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _storage(path, error) from error
        made = cls(path, described, _key(ledger, described), descriptor)
        made._write(encode(dict(described)))
        return made

    @classmethod
    def find(
        cls, ledger: Ledger, directory: Path, fits: Callable[[Mapping[str, Json]], bool]
    ) -> Journal | None:
        """Return the newest unfinished audit of a run that fits, and that nobody goes on with by now.

        What cannot be read, was changed, or is of another version is passed over: it is judged again.
        """
        paths = [(path.stat().st_mtime_ns, path) for path in (directory / FOLDER).glob("*.jsonl")]
        for _, path in sorted(paths, reverse=True):
            with suppress(OSError, ValueError, VeristepError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found = cls._read(ledger, path, descriptor)
                except BaseException:
                    os.close(descriptor)
                    raise
                if fits(found.what):
                    return found
                found.close()
        return None

    def keep(self, judged: Judged, facts: Mapping[str, Json]) -> None:
        """Write a verdict down; it is on the disk when this returns.

        What could not be judged is not written: when the audit goes on it is tried again.

        Raises:
            StorageError: it cannot be written.
        """
        if judged.verdict is Verdict.UNVERIFIED:
            return
        # Not canonical JSON: the samples of a difference may hold values that are no numbers.
        value = json.dumps({"judged": wire.dump(judged), "facts": dict(facts)}).encode("utf-8")
        mac = self._mac(self._lines, value)
        self._write(encode({"mac": mac, "value": value.decode("utf-8")}))
        self._lines += 1
        self.judged[judged.interval.number] = judged

    def finish(self) -> None:
        """Remove the journal: its audit stands in the ledger."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave the journal to whoever goes on with the audit."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @classmethod
    def _read(cls, ledger: Ledger, path: Path, descriptor: int) -> Journal:
        # A line without its end is what a power cut left of it.
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        first, *rest = whole.split(b"\n")
        what = decode_object(first)
        if what.get("format") != FORMAT or what.get("version") != __version__:
            raise MalformedError(f"{path} is of another version")
        found = cls(path, what, _key(ledger, what), descriptor, resumed=True)
        for line in rest:
            found._take(decode_object(line))
        os.ftruncate(descriptor, len(whole) + 1)
        os.lseek(descriptor, 0, os.SEEK_END)
        return found

    def _take(self, line: Mapping[str, Json]) -> None:
        value = str(line.get("value")).encode("utf-8")
        if not hmac.compare_digest(str(line.get("mac")), self._mac(self._lines, value)):
            raise MalformedError(f"{self.path} was changed: line {self._lines + 1} is not ours")
        body = json.loads(value)
        judged = wire.load(Judged, body["judged"])
        self.judged[judged.interval.number] = judged
        facts = body["facts"]
        self.facts = dict(facts) if isinstance(facts, Mapping) else {}
        self._lines += 1

    def _mac(self, place: int, value: bytes) -> str:
        return hmac.new(self._key, place.to_bytes(8, "big") + value, hashlib.sha256).hexdigest()

    def _write(self, line: bytes) -> None:
        data = line + b"\n"
        try:
            written = os.write(self._descriptor, data)
            if written < len(data):
                raise OSError(28, "No space left on device")
            os.fsync(self._descriptor)
        except OSError as error:
            raise _storage(self.path, error) from error


class Continued:
    """An engine that takes from a journal what was judged before, and writes down what is judged now.

    A disk that is full in the middle costs the way back, not the audit: from there on it goes on unwritten.
    """

    def __init__(self, engine: Engine, journal: Journal) -> None:
        self._engine = engine
        self._journal = journal
        self._facts: dict[str, Json] = dict(journal.facts)
        self.trouble = ""

    @property
    def facts(self) -> dict[str, Json]:
        """What the replays ran in, those before the interruption included."""
        facts = dict(self._facts)
        merge(facts, self._engine.facts)
        return facts

    def run(self, intervals: Sequence[Interval]) -> Iterator[Judged]:
        """Yield the verdict on each interval, those known first."""
        known = [self._journal.judged[each.number] for each in intervals if self._known(each)]
        yield from known
        for judged in self._engine.run([each for each in intervals if not self._known(each)]):
            if not self.trouble:
                try:
                    self._journal.keep(judged, self.facts)
                except StorageError as error:
                    self.trouble = error.message
            yield judged

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _known(self, interval: Interval) -> bool:
        found = self._journal.judged.get(interval.number)
        return found is not None and found.interval == interval


def _key(ledger: Ledger, what: Mapping[str, Json]) -> bytes:
    return ledger.secret(f"{_PURPOSE}\n{hashlib.sha256(encode(dict(what))).hexdigest()}")


def _storage(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the audit's journal {path} cannot be written: {error.strerror}",
        hint="free some space; without it an interrupted audit starts over",
    )
