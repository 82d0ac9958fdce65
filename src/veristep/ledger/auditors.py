"""What an auditor commits to before a run ends, so that the draw is neither foreseen nor chosen.

The nonce of a run is the auditor's Ed25519 signature over the log's name and the run's id: it takes no
choosing and no keeping, only the auditor can make it, and anybody can check whose it is once it is shown.
The ledger holds a hash of it before the run ends (`docs/formats/ledger.md`, section 7).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from veristep.core.canonical import Json
from veristep.errors import TamperedError, UsageError
from veristep.ledger import keys
from veristep.ledger.entries import Draft
from veristep.ledger.notes import SignerKey, VerifierKey

COMMITTED = "audit.committed"
FORMAT = "veristep-draw/1"
# The auditor that comes with an embedded ledger.
KEY_FILE = "keys/auditor.key"
KEY_NAME = "auditor"

_NONCE_DOMAIN = "veristep/draw-nonce/v1"
_COMMITMENT_DOMAIN = b"veristep/draw-commitment/v1\n"
_SIGNATURE_BYTES = 64


def own_key(ledger: Path) -> SignerKey:
    """Return the key of the ledger's own auditor, made now if there is none.

    Raises:
        UsageError, MalformedError, StorageError: it cannot be used.
    """
    return keys.load_or_create(ledger / KEY_FILE, KEY_NAME)


def nonce(key: SignerKey, origin: str, run: str) -> bytes:
    """Return the auditor's nonce for a run of the log `origin`."""
    return key.sign(_message(origin, run))


def commitment(secret: bytes, run: str) -> str:
    """Return what is logged of a nonce before it is shown."""
    digest = hashlib.sha256(_COMMITMENT_DOMAIN + hashlib.sha256(secret).digest() + run.encode())
    return "sha256:" + digest.hexdigest()


def check_nonce(auditor: str, secret: bytes, origin: str, run: str) -> None:
    """Check that a nonce is the one of `auditor`, a key's id, for this run.

    Raises:
        TamperedError: it is not.
    """
    public = auditor.removeprefix("ed25519:")
    try:
        key = VerifierKey(KEY_NAME, bytes.fromhex(public))
    except ValueError as error:
        raise TamperedError(f"{auditor[:80]!r} is not the id of a key") from error
    if len(secret) != _SIGNATURE_BYTES:
        raise TamperedError("the nonce is not a signature")
    key.verify(secret, _message(origin, run))


def draft(key: SignerKey, origin: str, run: str, project: str) -> Draft:
    """Return the entry by which an auditor commits to a run's draw."""
    body: dict[str, Json] = {
        "format": FORMAT,
        "auditor": keys.key_id(key.verifier),
        "commitment": commitment(nonce(key, origin, run), run),
    }
    return Draft(COMMITTED, body, run, project)


def key_at(path: Path, *, create: bool) -> SignerKey:
    """Return the key of an auditor of one's own.

    Raises:
        NotFoundError: there is none, and none is to be made.
        UsageError, MalformedError, StorageError: it cannot be used.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder, not a key file", hint=f"for example {path / 'auditor.key'}")
    return keys.load_or_create(path, KEY_NAME) if create else keys.load(path)


def _message(origin: str, run: str) -> bytes:
    return f"{_NONCE_DOMAIN}\n{origin}\n{run}\n".encode()
