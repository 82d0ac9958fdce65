"""Signed notes: a text with signature lines, and the text forms of their keys.

Source: C2SP signed-note v1.0.0 (Go's golang.org/x/mod/sumdb/note). Only Ed25519 (algorithm byte
0x01) is signed and verified here; signatures by other algorithms are unknown keys and ignored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from veristep.errors import MalformedError, TamperedError

if TYPE_CHECKING:
    from collections.abc import Iterable

ED25519 = 0x01
MAX_NOTE_BYTES = 1_000_000  # as Go's implementation
MAX_SIGNATURES = 100  # as Go's implementation; C2SP asks for at least 16

_KEY_HASH_BYTES = 4
_ED25519_KEY_BYTES = 32
_SKEY_PREFIX = "PRIVATE+KEY+"
_SIGNATURE_PREFIX = "— "


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key; `str` gives its vkey."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def key_hash(self) -> bytes:
        """The four bytes that tell keys of one name apart."""
        payload = self.name.encode() + b"\n" + bytes([ED25519]) + self.public
        return hashlib.sha256(payload).digest()[:_KEY_HASH_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{_encode_key(self.public)}"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check an Ed25519 signature.

        Raises:
            TamperedError: it is not this key's signature of `message`.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise TamperedError(f"the signature by {self.name} does not hold") from error


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A named private key; `str` gives its skey, which is a secret."""

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public = Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        return VerifierKey(self.name, public)

    def __str__(self) -> str:
        return f"{_SKEY_PREFIX}{self.name}+{self.verifier.key_hash.hex()}+{_encode_key(self.seed)}"

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of `message`."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(message)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who, by which key, and the signature's bytes."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: its text, and who signed it."""

    text: str
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...]


def parse_vkey(text: str) -> VerifierKey:
    """Parse a verifier key.

    Raises:
        MalformedError: not a vkey, not Ed25519, or its key hash does not fit.
    """
    name, key_hash, public = _parse_key(text, "verifier key")
    key = VerifierKey(name, public)
    _check_key_hash(key, key_hash)
    return key


def parse_skey(text: str) -> SignerKey:
    """Parse a signer key.

    Raises:
        MalformedError: not an skey, not Ed25519, or its key hash does not fit.
    """
    if not text.startswith(_SKEY_PREFIX):
        raise MalformedError("the signer key does not start with PRIVATE+KEY+")
    name, key_hash, seed = _parse_key(text.removeprefix(_SKEY_PREFIX), "signer key")
    key = SignerKey(name, seed)
    _check_key_hash(key.verifier, key_hash)
    return key


def sign(text: str, *signers: SignerKey) -> str:
    """Return `text` as a note signed by `signers`.

    Raises:
        MalformedError: the text does not end in a newline or holds control characters.
    """
    _check_text(text)
    lines = [_line(signer, text.encode()) for signer in signers]
    return text + "\n" + "".join(lines)


def open_note(note: str | bytes, keys: Iterable[VerifierKey]) -> Note:
    """Check a note's signatures against the known `keys`.

    Raises:
        MalformedError: not a note.
        TamperedError: a known key's signature does not hold, or no known key signed.
    """
    text, signatures = parse(note)
    known = {(key.name, key.key_hash): key for key in keys}
    verified: dict[tuple[str, bytes], Signature] = {}
    unverified = []
    for signature in signatures:
        identity = (signature.name, signature.key_hash)
        key = known.get(identity)
        if key is None:
            unverified.append(signature)
            continue
        key.verify(signature.signature, text.encode())
        verified[identity] = signature
    if not verified:
        names = ", ".join(sorted({signature.name for signature in signatures}))
        raise TamperedError(f"no known key signed the note; it is signed by {names}")
    return Note(text, tuple(verified.values()), tuple(unverified))


def parse(note: str | bytes) -> tuple[str, list[Signature]]:
    """Cut a note into its text and signatures, checking no signature.

    Raises:
        MalformedError: not a note.
    """
    try:
        content = note.decode("utf-8") if isinstance(note, bytes) else note
        too_long = len(content.encode("utf-8")) > MAX_NOTE_BYTES
    except UnicodeError as error:
        raise MalformedError("the note is not UTF-8") from error
    if too_long:
        raise MalformedError(f"the note is longer than {MAX_NOTE_BYTES} bytes")
    text, blank, tail = content.rpartition("\n\n")
    text += "\n"
    if not blank or not tail.endswith("\n"):
        raise MalformedError("the note has no signature lines, or its last line has no end")
    _check_text(text)
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text, [_parse_line(line) for line in lines]


def check_name(name: str) -> None:
    """Check that `name` can name a key.

    Raises:
        MalformedError: empty, or holds white space, a plus sign or a control character.
    """
    bad = any(char.isspace() or char == "+" or not char.isprintable() for char in name)
    if not name or bad:
        raise MalformedError(
            f"{name!r} cannot name a key",
            hint="use printable characters other than spaces and plus signs",
        )


def _line(signer: SignerKey, message: bytes) -> str:
    payload = signer.verifier.key_hash + signer.sign(message)
    return f"{_SIGNATURE_PREFIX}{signer.name} {base64.b64encode(payload).decode()}\n"


def _parse_line(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
    if not line.startswith(_SIGNATURE_PREFIX) or not space:
        raise MalformedError(f"not a signature line: {line[:80]!r}")
    check_name(name)
    payload = decode_base64(encoded, "signature")
    if len(payload) <= _KEY_HASH_BYTES:
        raise MalformedError(f"the signature by {name} is too short")
    return Signature(name, payload[:_KEY_HASH_BYTES], payload[_KEY_HASH_BYTES:])


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 in its one canonical spelling.

    Raises:
        MalformedError: anything else.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MalformedError(f"the {what} is not base64: {text[:80]!r}") from error
    if base64.b64encode(data).decode() != text:
        raise MalformedError(f"the {what} is not canonical base64: {text[:80]!r}")
    return data


def _encode_key(key: bytes) -> str:
    return base64.b64encode(bytes([ED25519]) + key).decode()


def _parse_key(text: str, what: str) -> tuple[str, str, bytes]:
    name, first, rest = text.partition("+")
    key_hash, second, encoded = rest.partition("+")
    if not first or not second:
        raise MalformedError(f"a {what} has the form NAME+HASH+KEY")
    payload = decode_base64(encoded, what)
    if len(payload) != 1 + _ED25519_KEY_BYTES or payload[0] != ED25519:
        raise MalformedError(f"the {what} of {name!r} is not an Ed25519 key")
    return name, key_hash, payload[1:]


def _check_key_hash(key: VerifierKey, claimed: str) -> None:
    if key.key_hash.hex() != claimed:
        raise MalformedError(f"the key hash of {key.name} is {key.key_hash.hex()}, not {claimed[:16]!r}")


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise MalformedError("the text of a note ends in a newline")
    if any(char < " " and char != "\n" for char in text):
        raise MalformedError("the text of a note holds a control character")
