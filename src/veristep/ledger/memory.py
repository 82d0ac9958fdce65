"""What this user's clients remember of each log: the last checkpoint they saw.

A log that later shows less, or something else, has been rolled back or forked. The memory lies
outside the ledger, in the user's state folder, one file per origin.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veristep.core import canonical
from veristep.core.merkle import verify_consistency
from veristep.errors import MalformedError, TamperedError, UnavailableError
from veristep.ledger import checkpoints, notes
from veristep.ledger.layout import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from veristep.ledger.checkpoints import Checkpoint

_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """The last checkpoint seen of a log, as the signed note, and the log's key."""

    vkey: str
    note: str

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, its signature checked.

        Raises:
            MalformedError, TamperedError: what is remembered does not hold.
        """
        return checkpoints.open_checkpoint(self.note, notes.parse_vkey(self.vkey))


def state_path(origin: str) -> Path:
    """Return the file that remembers the log `origin`."""
    state = os.environ.get("XDG_STATE_HOME")
    folder = Path(state) if state else Path.home() / ".local" / "state"
    name = hashlib.sha256(origin.encode()).hexdigest()
    return folder / "veristep" / "seen" / f"{name}.json"


def recall(origin: str) -> Seen | None:
    """Return what is remembered of a log; None when nothing is.

    Raises:
        MalformedError: the memory is damaged.
        UnavailableError: the memory is there and cannot be read.
    """
    path = state_path(origin)
    hint = f"if you are sure the ledger is right, remove {path}: the next look starts anew"
    try:
        with path.open("rb") as file:
            value = canonical.decode_object(file.read(_MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    except MalformedError as error:
        raise MalformedError(f"{path} is damaged: {error}", hint=hint) from error
    vkey, note = value.get("vkey"), value.get("note")
    if not isinstance(vkey, str) or not isinstance(note, str):
        raise MalformedError(f"{path} is damaged: no key or no checkpoint", hint=hint)
    return Seen(vkey, note)


def remember(origin: str, seen: Seen, size: int) -> None:
    """Remember a checkpoint of `size` entries, unless a later one is remembered.

    A state folder that cannot be written is no reason to fail: this client then has no memory.
    """
    path = state_path(origin)
    try:
        known = recall(origin)
        # Not verified here: a forged memory that claims more is found when it is next demanded.
        if known is not None and checkpoints.read(known.note).size >= size:
            return
        value = {"origin": origin, "vkey": seen.vkey, "note": seen.note}
        write_atomically(path, canonical.encode(value) + b"\n", sync=False)
    except (OSError, MalformedError, TamperedError, UnavailableError):
        return


def check(
    seen: Seen,
    vkey: str,
    current: Checkpoint,
    prove: Callable[[int, int], Sequence[bytes]],
) -> None:
    """Demand that a log is what was remembered of it, or more.

    Args:
        seen: what is remembered.
        vkey: the log's key now.
        current: the log's checkpoint now, its signature checked.
        prove: gives the consistency proof between two sizes of the log.

    Raises:
        TamperedError: another key, fewer entries, or other entries than remembered.
        MalformedError: the memory is damaged.
    """
    hint = (
        "the ledger was replaced, rolled back or forked; keep both and compare them. "
        f"The memory is {state_path(current.origin)}"
    )
    if seen.vkey != vkey:
        raise TamperedError(f"the ledger's key changed: expected {seen.vkey}, got {vkey}", hint=hint)
    old = seen.checkpoint
    if old.origin != current.origin:
        raise MalformedError(f"{state_path(current.origin)} remembers another log, {old.origin}")
    if current.size < old.size:
        raise TamperedError(
            f"the ledger {current.origin} lost entries: expected at least {old.size}, got {current.size}",
            hint=hint,
        )
    if old.size == 0:
        return
    try:
        proof = prove(old.size, current.size)
        verify_consistency(old.size, current.size, old.root, current.root, proof)
    except (MalformedError, TamperedError) as error:
        raise TamperedError(
            f"the ledger {current.origin} is not the one seen before at {old.size} entries: "
            f"expected root {old.root.hex()} as its beginning: {error}",
            hint=hint,
        ) from error
