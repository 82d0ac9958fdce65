"""Values of an untrusted pickle in a few words: bounded, and without calling anything of theirs."""

from __future__ import annotations

from typing import Any

_TEXT = 120
_ITEMS = 6
_DEPTH = 3
_BITS = 128


def described(value: Any, depth: int = _DEPTH) -> str:
    """Return a value in words, as Python would write it, shortened."""
    kind = type(value)
    if kind is str:
        return _shortened(repr(value[:_TEXT]), len(value))
    if kind in (bytes, bytearray):
        return _shortened(repr(bytes(value[:_TEXT])), len(value))
    if kind is int:
        return str(value) if value.bit_length() <= _BITS else f"<a number of {value.bit_length()} bits>"
    if kind in (float, bool, complex) or value is None:
        return repr(value)
    if kind in (tuple, list, set, frozenset, dict):
        return _container(value, depth)
    # What is left are stand-ins of ours.
    return str(value)[: 2 * _TEXT]


def _container(value: Any, depth: int) -> str:
    opening, closing = "()" if isinstance(value, tuple) else "[]" if isinstance(value, list) else "{}"
    if depth == 0:
        return f"{opening}…{closing}"
    parts = []
    for count, each in enumerate(value.items() if isinstance(value, dict) else value):
        if count == _ITEMS:
            parts.append("…")
            break
        if isinstance(value, dict):
            parts.append(f"{described(each[0], depth - 1)}: {described(each[1], depth - 1)}")
        else:
            parts.append(described(each, depth - 1))
    text = ", ".join(parts)
    return f"{opening}{text}{',' if type(value) is tuple and len(value) == 1 else ''}{closing}"


def _shortened(text: str, length: int) -> str:
    return text if length <= _TEXT else f"{text}… ({length} long)"
