"""Key files: Ed25519 keys made on first use and kept from other users."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from veristep.errors import MalformedError, NotFoundError, StorageError, UsageError
from veristep.ledger.notes import SignerKey, VerifierKey, parse_skey

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SEED_BYTES = 32
_MAX_KEY_FILE_BYTES = 4096


def key_id(key: VerifierKey) -> str:
    """Return the name entries give a key: the algorithm and the public key itself."""
    return f"ed25519:{key.public.hex()}"


def generate(name: str) -> SignerKey:
    """Return a new key.

    Raises:
        MalformedError: `name` cannot name a key.
    """
    return SignerKey(name, os.urandom(_SEED_BYTES))


def load(path: Path) -> SignerKey:
    """Read a key file.

    Raises:
        NotFoundError: there is no such file.
        UsageError: other users may read or write the file.
        MalformedError: it holds no key.
        StorageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_KEY_FILE_BYTES)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no key at {path}") from error
    except OSError as error:
        raise StorageError(f"cannot read the key {path}: {error.strerror}") from error
    if mode & _OTHERS:
        raise UsageError(
            f"the key {path} is open to other users (mode {stat.S_IMODE(mode):04o})",
            hint=f"if nobody else can have read it: chmod 600 {path}; otherwise replace the key",
        )
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError(f"{path} does not hold a key") from error
    if not text.endswith("\n"):
        raise MalformedError(f"{path} does not hold a key: its line has no end")
    return parse_skey(text[:-1])


def create(path: Path, name: str) -> SignerKey:
    """Write a new key named `name` to `path`, in a folder only its owner can enter.

    Raises:
        UsageError: the file is already there.
        StorageError: it cannot be written.
    """
    key = generate(name)
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{key}\n".encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise UsageError(f"there is already a key at {path}") from error
    except OSError as error:
        raise StorageError(f"cannot write the key {path}: {error.strerror}") from error
    return key


def load_or_create(path: Path, name: str) -> SignerKey:
    """Return the key at `path`, made now if there is none.

    Raises:
        UsageError, MalformedError, StorageError: as `load` and `create`.
    """
    try:
        return load(path)
    except NotFoundError:
        return create(path, name)
