"""Reads data in parallel, chunk by chunk, and says of each file what it was while it was read."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from blake3 import blake3

from veristep.core.datasets import chunk_count
from veristep.supervise.data.source import Item, Source, State

_DOMAIN = b"veristep/data-file/v1\n"
# A large file is read in pieces by several threads; small ones are handed out in bundles.
PIECE_BYTES = 16 << 20
BUNDLE_FILES = 64
CHANGED = "changed while it was read"


@dataclass(frozen=True, slots=True)
class Piece:
    """Chunks of one file to be read: from `start` to before `stop`."""

    item: Item
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Digested:
    """What a piece was.

    Attributes:
        piece: which.
        chunks: digests of its chunks, one after another; empty when there is a `reason`.
        reason: why it could not be read.
    """

    piece: Piece
    chunks: bytes = b""
    reason: str = ""


def file_digest(size: int, chunks: bytes) -> str:
    """Return the digest of a file, 64 hex digits, from those of its chunks."""
    return blake3(_DOMAIN + str(size).encode() + b"\n" + chunks).hexdigest()


def pieces_of(item: Item, chunk_bytes: int) -> list[Piece]:
    """Return what has to be read of a whole file; an empty file has one piece without chunks."""
    count, step = chunk_count(item.size, chunk_bytes), max(1, PIECE_BYTES // chunk_bytes)
    return [Piece(item, at, min(at + step, count)) for at in range(0, max(1, count), step)]


class Digester:
    """Reads pieces on several threads."""

    def __init__(self, source: Source, chunk_bytes: int, jobs: int = 0) -> None:
        """Read from a source.

        Args:
            source: where the data lies.
            chunk_bytes: size of a chunk.
            jobs: threads; 0 for one per processor.
        """
        self._source = source
        self._chunk_bytes = chunk_bytes
        self._jobs = jobs or len(os.sched_getaffinity(0))
        self._local = threading.local()

    def run(self, pieces: Iterable[Piece]) -> Iterator[Digested]:
        """Yield each piece as it was read, in no certain order; holds few of them at a time."""
        bundles = iter(_bundles(pieces, self._chunk_bytes))
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="veristep-data")
        running: set[Future[list[Digested]]] = set()
        try:
            while True:
                while len(running) < 2 * self._jobs and (bundle := next(bundles, None)) is not None:
                    running.add(pool.submit(self._read_all, bundle))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield from each.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def read(self, piece: Piece) -> Digested:
        """Read one piece, on this thread."""
        try:
            with self._source.open(piece.item.path) as file:
                if file.state() != piece.item.state:
                    return Digested(piece, reason=CHANGED)
                chunks = bytearray()
                for number in range(piece.start, piece.stop):
                    offset = number * self._chunk_bytes
                    view = self._buffer()[: min(self._chunk_bytes, piece.item.size - offset)]
                    if file.read_into(view, offset) != len(view):
                        return Digested(piece, reason=CHANGED)
                    chunks += blake3(view).digest()
                if file.state() != piece.item.state:
                    return Digested(piece, reason=CHANGED)
        except (OSError, ValueError) as error:
            return Digested(piece, reason=f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return Digested(piece, bytes(chunks))

    def _read_all(self, bundle: Sequence[Piece]) -> list[Digested]:
        return [self.read(piece) for piece in bundle]

    def _buffer(self) -> memoryview:
        buffer: memoryview | None = getattr(self._local, "buffer", None)
        if buffer is None:
            buffer = self._local.buffer = memoryview(bytearray(self._chunk_bytes))
        return buffer


class Assembled:
    """Puts the chunks of one file together as its pieces come in."""

    def __init__(self, item: Item, chunk_bytes: int) -> None:
        self.item = item
        self.reason = ""
        self._want = chunk_count(item.size, chunk_bytes)
        self._parts: dict[int, bytes] = {}
        self._have = 0

    def add(self, start: int, chunks: bytes) -> None:
        """Take the chunks from `start` on."""
        if start not in self._parts:
            self._have += len(chunks) // 32
            self._parts[start] = chunks

    def missing(self, chunk_bytes: int) -> list[Piece]:
        """Return the pieces that are not there yet."""
        return [each for each in pieces_of(self.item, chunk_bytes) if each.start not in self._parts]

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return not self.reason and bool(self._parts) and self._have == self._want

    def chunks(self) -> bytes:
        """Return the digests of all chunks."""
        return b"".join(self._parts[start] for start in sorted(self._parts))


def is_racy(state: State, looked_ns: int, slack_ns: int) -> bool:
    """Whether a file changed so shortly before it was looked at that it could change again unseen.

    Two changes within one tick of the kernel's clock leave the same change time.
    """
    changed = state[-1] if state else 0
    return isinstance(changed, int) and changed > looked_ns - slack_ns


def _bundles(pieces: Iterable[Piece], chunk_bytes: int) -> Iterator[list[Piece]]:
    bundle: deque[Piece] = deque()
    size = 0
    for piece in pieces:
        bundle.append(piece)
        size += (piece.stop - piece.start) * chunk_bytes
        if size >= PIECE_BYTES or len(bundle) >= BUNDLE_FILES:
            yield list(bundle)
            bundle.clear()
            size = 0
    if bundle:
        yield list(bundle)
