"""Signatures as ``ssh-keygen -Y`` makes them (SSHSIG), with Ed25519 keys: made and verified here.

The format is OpenSSH's ``PROTOCOL.sshsig``. What is signed is a hash of the message together with a
namespace, so that a signature given for one purpose is none for another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import textwrap
from dataclasses import dataclass

from veristep.errors import MalformedError, TamperedError
from veristep.ledger.notes import SignerKey, VerifierKey

_MAGIC = b"SSHSIG"
_VERSION = 1
_KEY_TYPE = b"ssh-ed25519"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_MAX_BYTES = 1 << 16
_PUBLIC_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Parts:
    public: bytes
    namespace: bytes
    hashed_by: bytes
    signature: bytes


def sign(key: SignerKey, namespace: str, message: bytes) -> str:
    """Return the armored signature of a message."""
    tail = _string(namespace.encode()) + _string(b"") + _string(b"sha512")
    signed = _MAGIC + tail + _string(hashlib.sha512(message).digest())
    public = _string(_KEY_TYPE) + _string(key.verifier.public)
    signature = _string(_KEY_TYPE) + _string(key.sign(signed))
    blob = _MAGIC + struct.pack(">I", _VERSION) + _string(public) + tail + _string(signature)
    lines = textwrap.wrap(base64.b64encode(blob).decode("ascii"), 70)
    return "\n".join([_BEGIN, *lines, _END]) + "\n"


def verify(armored: str, namespace: str, message: bytes) -> bytes:
    """Check a signature; return the 32 bytes of the Ed25519 key that made it.

    Raises:
        MalformedError: it is no such signature, or not of an Ed25519 key.
        TamperedError: it is one of another message, or for another purpose.
    """
    parts = _parse(armored)
    if parts.namespace != namespace.encode():
        raise TamperedError(f"the signature was given for {parts.namespace!r}, not for {namespace!r}")
    hashed = _HASHES[parts.hashed_by](message).digest()
    signed = b"".join(
        [_MAGIC, _string(parts.namespace), _string(b""), _string(parts.hashed_by), _string(hashed)]
    )
    VerifierKey("ssh", parts.public).verify(parts.signature, signed)
    return parts.public


def public_key(text: str) -> bytes:
    """Return the 32 bytes of a public key in OpenSSH's form, ``ssh-ed25519 AAAA...``.

    Raises:
        MalformedError: it is none.
    """
    words = text.split()
    if len(words) < 2 or words[0].encode() != _KEY_TYPE:
        raise MalformedError(f"{text[:60]!r} is no Ed25519 key of OpenSSH")
    reader = _Reader(_base64(words[1]))
    kind, public = reader.string(), reader.string()
    if kind != _KEY_TYPE or len(public) != _PUBLIC_BYTES or reader.rest:
        raise MalformedError(f"{text[:60]!r} is no Ed25519 key of OpenSSH")
    return public


def public_text(public: bytes) -> str:
    """Return a public key in OpenSSH's form."""
    blob = _string(_KEY_TYPE) + _string(public)
    return f"ssh-ed25519 {base64.b64encode(blob).decode('ascii')}"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, count: int) -> bytes:
        if count > len(self.rest):
            raise MalformedError("an SSH signature is cut short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def string(self) -> bytes:
        return self.take(struct.unpack(">I", self.take(4))[0])


def _parse(armored: str) -> _Parts:
    lines = armored.strip().split("\n")
    if len(armored) > _MAX_BYTES or lines[0] != _BEGIN or lines[-1] != _END:
        raise MalformedError("not an SSH signature: its first or last line is another")
    reader = _Reader(_base64("".join(lines[1:-1])))
    if reader.take(len(_MAGIC)) != _MAGIC or reader.take(4) != struct.pack(">I", _VERSION):
        raise MalformedError("not an SSH signature of version 1")
    key, namespace, reserved, hashed_by = (reader.string() for _ in range(4))
    signature = _Reader(reader.string())
    if reader.rest or reserved or hashed_by not in _HASHES:
        raise MalformedError("an SSH signature with fields that are not known")
    owner = _Reader(key)
    kinds = {owner.string(), signature.string()}
    public, value = owner.string(), signature.string()
    if kinds != {_KEY_TYPE} or len(public) != _PUBLIC_BYTES or owner.rest or signature.rest:
        raise MalformedError("the signature is not one of an Ed25519 key")
    return _Parts(public, namespace, hashed_by, value)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError(f"not base64: {error}") from error
