"""Tells whoever stands in this process that it begins to train: on the thread that will take the steps."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_waiting: list[Callable[[str], None]] = []


def when(callback: Callable[[str], None]) -> None:
    """Have a function called with the stream's name when this process, or a forked one, begins to train."""
    _waiting.append(callback)


def begins(stream: str) -> None:
    """Tell that the calling thread begins to train under the name of a stream; never fails."""
    for callback in _waiting:
        try:
            callback(stream)
        except Exception:  # noqa: BLE001, S112 - boundary: a guard that cannot start must not end the training
            continue
