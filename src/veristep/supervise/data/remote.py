"""Data that fsspec reaches: buckets and the like, object by object, by version or tag and by digest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from veristep.errors import NotFoundError, UnavailableError
from veristep.supervise.data.source import Item, Listing, State

# What stores call that which tells one content of an object from another; the first that is there counts.
_SIGNS = (
    "ETag", "etag", "content_md5", "md5Hash", "checksum", "sha", "crc32c", "generation", "VersionId",
    "version_id", "LastModified", "last_modified", "updated", "mtime", "created",
)  # fmt: skip
_BLOCK_BYTES = 8 << 20


def is_address(text: str) -> bool:
    """Whether a text names something fsspec has to reach."""
    return "://" in text


class RemoteFile:
    """A remote object being read."""

    def __init__(self, source: RemoteSource, path: str, stream: Any) -> None:
        self._source = source
        self._path = path
        self._stream = stream

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Read from `offset` on, as much as fits."""
        self._stream.seek(offset)
        done = 0
        while done < len(buffer):
            data = self._stream.read(len(buffer) - done)
            if not data:
                break
            buffer[done : done + len(data)] = data
            done += len(data)
        return done

    def state(self) -> State:
        """Return the state of the object now; objects are replaced, never changed."""
        return self._source.state(self._path) or ()


class RemoteSource:
    """A folder that fsspec reaches, by its address."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            UnavailableError: fsspec, or what it needs for this kind of address, is not installed.
        """
        self.root = address.rstrip("/")
        self.chosen: tuple[str, ...] = ()
        try:
            import fsspec

            self._system, self._folder = fsspec.core.url_to_fs(self.root)
        except ImportError as error:
            raise UnavailableError(
                f"{address} cannot be reached: {error}",
                hint="pip install 'veristep[remote]' and what it names",
            ) from error
        except ValueError as error:
            raise UnavailableError(f"{address} cannot be reached: {error}") from error

    def listing(self) -> Listing:
        """List all objects below the address.

        Raises:
            UnavailableError: they cannot be listed.
            NotFoundError: there is nothing.
        """
        try:
            self._system.invalidate_cache()
            found: Mapping[str, Mapping[str, Any]] = self._system.find(self._folder, detail=True)
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no {self.root}", hint="check its spelling") from error
        except Exception as error:  # boundary: each kind of store raises its own
            raise UnavailableError(f"{self.root} cannot be listed: {error}") from error
        items, left_out = [], []
        for path, info in found.items():
            name = str(path).removeprefix(self._folder).lstrip("/")
            if name.endswith("/") and not info.get("size"):
                continue  # what consoles put there to show a folder
            if not isinstance(info.get("size"), int):
                left_out.append((name, "of unknown size"))
            elif name:
                items.append(Item(name, int(info["size"]), _state(info)))
        items.sort(key=lambda item: item.path.encode("utf-8", "surrogateescape"))
        return Listing(tuple(items), tuple(sorted(left_out)))

    def state(self, path: str) -> State | None:
        """Return the state of an object now."""
        place = f"{self._folder}/{path}"
        try:
            self._system.invalidate_cache(self._system._parent(place))
            return _state(self._system.info(place))
        except Exception:  # noqa: BLE001 - boundary: each kind of store raises its own
            return None

    def states(self) -> Callable[[str], State | None]:
        """Return what tells the state of any object, as of now: one listing for all.

        Raises:
            UnavailableError, NotFoundError: as `listing`.
        """
        found = {item.path: item.state for item in self.listing().items}
        return found.get

    @contextmanager
    def open(self, path: str) -> Iterator[RemoteFile]:
        """Open an object for reading.

        Raises:
            OSError: it cannot be.
        """
        try:
            stream = self._system.open(f"{self._folder}/{path}", "rb", block_size=_BLOCK_BYTES)
        except OSError:
            raise
        except Exception as error:  # boundary: each kind of store raises its own
            raise OSError(str(error)) from error
        with stream:
            yield RemoteFile(self, path, stream)

    def place(self, path: str) -> str:
        """Return the whole address of an object."""
        return f"{self.root}/{path}"


def _state(info: Mapping[str, Any]) -> State:
    # The first alone: a listing and a question about one object do not tell the same of the rest.
    found = (_text(info[name]) for name in _SIGNS if info.get(name) is not None)
    state = (int(info.get("size") or 0), next(found, ""))
    written = info.get("LastModified")
    if isinstance(written, datetime) and info.get("ETag"):
        # S3's tag is an MD5: two contents can be made to share it. Who writes an object cannot choose when.
        return (*state, written.astimezone(UTC).isoformat(timespec="seconds"))
    return state


def _text(value: Any) -> str:
    """Return a value in one form: the same store tells a time as a number here and as a date there."""
    if isinstance(value, datetime):
        value = value.timestamp()
    return f"{value:.6f}" if isinstance(value, float) else str(value).strip('"')
