"""Recorded values as text for people.

What a run says about itself is written by whoever ran it: text that reaches a terminal or a page
must not be able to move the cursor, change colours or turn around the reading direction.
"""

from __future__ import annotations

import signal
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NOT_DISCLOSED = "[not disclosed]"
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def plain(value: Any) -> str:
    """Return a recorded value as one line of text in which every control character shows."""
    if value is None:
        return ""
    if isinstance(value, Mapping) and set(value) == {"commitment"}:
        return NOT_DISCLOSED
    if isinstance(value, (list, tuple)):
        return " ".join(plain(each) for each in value)
    return "".join(_visible(character) for character in str(value))


def duration(seconds: float) -> str:
    """Return a time span: 850 ms, 12.3 s, 4 min 05 s, 3 h 12 min, 2 d 03 h."""
    if seconds < 0:
        return "unknown"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE):02d} s"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02d} min"
    return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR):02d} h"


def signal_name(number: int) -> str:
    """Return the name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def moment(time_ns: int) -> str:
    """Return a wall-clock time, in UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, word: str) -> str:
    """Return a count with its noun: 1 gap, 2 gaps."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
