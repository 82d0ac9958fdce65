"""Canonical JSON: one value, one byte string.

Follows RFC 8785 (sorted keys, no white space, UTF-8, minimal escapes) for strings, booleans, null
and integers. Two deliberate differences: keys sort by code point, and floating-point numbers are
written as Python's shortest round-trip form. Signed bytes are kept as written and never
re-serialised, so a reader needs no canonicaliser of its own.

Non-finite numbers have no JSON form; `number` writes them as strings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from veristep.errors import MalformedError

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_HINT = "only JSON values with string keys can be written"

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def encode(value: Json) -> bytes:
    """Return the canonical bytes of `value`.

    Raises:
        MalformedError: the value is not JSON, or holds a NaN or an infinity.
    """
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise MalformedError(f"not a JSON value: {error}", hint=_HINT) from error


def decode(data: bytes) -> Json:
    """Parse JSON bytes, refusing duplicate keys and non-finite numbers.

    Raises:
        MalformedError: not UTF-8, not JSON, nested too deeply, or a key occurs twice.
    """
    try:
        value: Json = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise MalformedError(f"not canonical JSON: {error}") from error
    return value


def decode_object(data: bytes) -> dict[str, Json]:
    """Parse JSON bytes that must hold an object.

    Raises:
        MalformedError: as `decode`, or the value is not an object.
    """
    value = decode(data)
    if not isinstance(value, dict):
        raise MalformedError(f"expected a JSON object, got {type(value).__name__}")
    return value


def number(value: float | None) -> Json:
    """Return `value` as JSON, with NaN and infinities as the strings nan, inf and -inf."""
    if value is None or math.isfinite(value):
        return value
    return str(value)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} occurs twice")
    return result


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is not JSON")
