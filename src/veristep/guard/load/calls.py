"""What a pickle would have called a name with, told without calling anything.

The interpreter's own unpickler is run on the same bytes with a `find_class` that looks nothing up: every
name becomes a placeholder, a call of a placeholder is noted. No second reading of the format can disagree.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

_LONGEST = 600
# A file may hold several pickles, one after another.
_MOST_PICKLES = 64
# Class methods that pickles reach with `getattr`: a time zone makes itself anew from its name.
_CONSTRUCTORS = ((("zoneinfo", "ZoneInfo"), "_unpickle"),)


def arguments(data: bytes, module: str, name: str) -> str:
    """Return, as text, what the first call of a name in these pickled bytes is given; empty if not seen."""
    stream = io.BytesIO(data)
    for _ in range(_MOST_PICKLES):
        reader = _Reader(stream, (module, name))
        try:
            reader.load()
        except _Seen as seen:
            return seen.text
        except Exception:  # noqa: BLE001 - whatever the bytes are, there is nothing to tell
            return ""
    return ""


def reaches_members(data: bytes, is_enumeration: Callable[[str, str], bool]) -> bool:
    """Whether these bytes use ``getattr`` for nothing but members of enumerations and the like, and use it.

    Args:
        data: pickles, one after another.
        is_enumeration: says of a pair whether it is one.
    """
    stream, fine = io.BytesIO(data), 0
    for _ in range(_MOST_PICKLES):
        reader = _Members(stream, is_enumeration)
        try:
            reader.load()
        except _Misused:
            return False
        except Exception:  # noqa: BLE001 - what is behind the last pickle, or no pickle
            return fine > 0 and stream.tell() > 0
        fine += reader.fine
    return fine > 0


class _Misused(BaseException):
    pass


class Placing(pickle.Unpickler):
    """An unpickler of ours, which looks nothing up."""


class _Members(Placing):
    def __init__(self, stream: io.BytesIO, is_enumeration: Callable[[str, str], bool]) -> None:
        super().__init__(stream)
        self._is_enumeration = is_enumeration
        self._getattr: Any = None
        self.fine = 0

    def find_class(self, module: str, name: str) -> Any:
        """Return a placeholder; the one for ``getattr`` looks at what it is called with."""
        reader = self
        if name == "getattr":
            if self._getattr is None:

                def called(_kind: Any, *args: Any) -> _Result:
                    reader.check(args)
                    return _Result("member")

                self._getattr = type("getattr", (), {"__new__": called})
            return self._getattr

        def made(_kind: Any, *args: Any, **_more: Any) -> _Result:
            # Before the first `getattr` there is none that could be handed on.
            if reader._getattr is not None and any(each is reader._getattr for each in args):
                raise _Misused
            return _Result("made")

        return type("named", (), {"__new__": made, "pair": (module, name)})

    def persistent_load(self, _pid: Any) -> Any:
        """Return a placeholder for what lies outside the pickle."""
        return _Result("outside")

    def check(self, args: tuple[Any, ...]) -> None:
        """Raise unless these are an enumeration and a member's plain name, or one of few constructors."""
        owner, name = args if len(args) == 2 else (None, "")
        pair = getattr(owner, "pair", None) if isinstance(owner, type) else None
        plain = isinstance(name, str) and name.isidentifier() and not name.startswith("_")
        member = pair is not None and plain and self._is_enumeration(*pair)
        if not member and (pair, name) not in _CONSTRUCTORS:
            raise _Misused
        self.fine += 1


class _Seen(BaseException):
    def __init__(self, text: str) -> None:
        self.text = text


class _Reader(Placing):
    def __init__(self, stream: io.BytesIO, wanted: tuple[str, str]) -> None:
        super().__init__(stream)
        self._wanted = wanted

    def find_class(self, module: str, name: str) -> Any:
        """Return a placeholder; nothing is looked up, so nothing is imported."""
        return _placeholder(module, name, (module, name) == self._wanted)

    def persistent_load(self, pid: Any) -> Any:
        """Return a placeholder for what lies outside the pickle."""
        return _text(pid)


class _Result:
    """What a placeholder gives when it is called; takes whatever state the pickle sets."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __setstate__(self, _state: Any) -> None:
        return

    def __call__(self, *args: Any) -> _Result:
        return _Result(f"{self._text}{_text(args)}"[:_LONGEST])

    def append(self, _value: Any) -> None:
        return

    def extend(self, _values: Any) -> None:
        return

    def add(self, _value: Any) -> None:
        return

    def __setitem__(self, _key: Any, _value: Any) -> None:
        return

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return self._text


def _placeholder(module: str, name: str, wanted: bool) -> Any:
    def made(_kind: Any, *args: Any, **more: Any) -> _Result:
        text = f"{_text(args)}{more or ''}"
        if wanted:
            raise _Seen(text[:_LONGEST])
        return _Result(f"{module}.{name}{text}"[:_LONGEST])

    # A class and not an instance: NEWOBJ and INST demand one.
    kind = type("placeholder", (), {"__new__": made, "__module__": module, "__qualname__": name})
    meta = type("kind", (type,), {"__repr__": lambda _self: f"{module}.{name}"})
    return meta(kind.__name__, (), {"__new__": made})


def _text(value: Any) -> str:
    try:
        return repr(value)[:_LONGEST]
    except Exception:  # noqa: BLE001 - boundary: a value built from hostile bytes
        return "(not printable)"
