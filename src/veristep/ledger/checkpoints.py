"""Checkpoints: what a log signs about its tree.

Source: C2SP tlog-checkpoint v1.0.0: the text of a signed note with the lines origin, size, root.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from veristep.core.merkle import HASH_BYTES
from veristep.errors import MalformedError, TamperedError
from veristep.ledger import notes

_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_FIXED_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: who, how many entries, and the root hash over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def encode(self) -> str:
        """Return the text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "\n".join([self.origin, str(self.size), root, *self.extensions]) + "\n"


def decode(text: str) -> Checkpoint:
    """Parse a checkpoint's text.

    Raises:
        MalformedError: not a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) <= _FIXED_LINES or lines.pop() != "" or not all(lines):
        raise MalformedError("a checkpoint has the lines origin, size and root, none of them empty")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise MalformedError(f"the size in the checkpoint is not a number: {size[:40]!r}")
    decoded = notes.decode_base64(root, "root hash")
    if len(decoded) != HASH_BYTES:
        raise MalformedError(f"the root hash has {len(decoded)} bytes, not {HASH_BYTES}")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def sign(checkpoint: Checkpoint, *signers: notes.SignerKey) -> str:
    """Return the checkpoint as a signed note."""
    return notes.sign(checkpoint.encode(), *signers)


def open_checkpoint(note: str | bytes, key: notes.VerifierKey) -> Checkpoint:
    """Check the signature of the log's own `key` and return the checkpoint.

    Raises:
        MalformedError: not a note, or not a checkpoint.
        TamperedError: not signed by `key`, or about another origin.
    """
    checkpoint = decode(notes.open_note(note, [key]).text)
    if checkpoint.origin != key.name:
        raise TamperedError(
            f"the checkpoint is of another log: expected {key.name}, got {checkpoint.origin}"
        )
    return checkpoint


def read(note: str | bytes) -> Checkpoint:
    """Return the checkpoint in a note without checking any signature.

    Raises:
        MalformedError: not a note, or not a checkpoint.
    """
    return decode(notes.parse(note)[0])
