"""Verdicts and intervals as JSON: what crosses machines and lies in files is data, never code."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_origin

from veristep.errors import MalformedError

T = TypeVar("T")


def dump(value: Any) -> Any:
    """Return a dataclass, with all it holds, as plain JSON values."""
    return dataclasses.asdict(value)


def load(kind: type[T], value: Any) -> T:
    """Return the dataclass `kind` from plain JSON values.

    Raises:
        MalformedError: the values are not what its fields hold.
    """
    try:
        loaded = _value(kind, value)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise MalformedError(f"not a {kind.__name__}: {error}") from error
    assert isinstance(loaded, kind)
    return loaded


def _value(kind: Any, value: Any) -> Any:
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        unknown = value.keys() - hints.keys()
        if unknown:
            raise ValueError(f"unknown fields {sorted(unknown)}")
        return kind(**{name: _value(hints[name], each) for name, each in value.items()})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value)
    if origin is tuple:
        return _tuple(arguments, value)
    if origin in (list, Sequence):
        return [_value(arguments[0], each) for each in _plain(value, list)]
    if origin in (dict, Mapping):
        return {str(key): _value(arguments[1], each) for key, each in _plain(value, dict).items()}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(value)
    if kind is float:
        return float(_plain(value, int, float))
    return _plain(value, kind) if isinstance(kind, type) else value


def _union(arguments: tuple[Any, ...], value: Any) -> Any:
    if value is None and type(None) in arguments:
        return None
    rest = [each for each in arguments if each is not type(None)]
    # Several alternatives only occur for JSON values, which are what they are.
    return _value(rest[0], value) if len(rest) == 1 else value


def _tuple(arguments: tuple[Any, ...], value: Any) -> Any:
    items = _plain(value, list, tuple)
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], each) for each in items)
    if len(items) != len(arguments):
        raise ValueError(f"{len(arguments)} values expected, got {len(items)}")
    return tuple(_value(kind, each) for kind, each in zip(arguments, items, strict=True))


def _plain(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{value!r:.80} is not a {kinds[0].__name__}")
    return value
