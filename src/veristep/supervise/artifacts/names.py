"""The names of a checkpoint's tensors, out of its pickle, without unpickling it.

The opcodes are followed by a small machine that knows containers, strings, numbers and the references to
storages; anything that would be called or imported becomes a blank. Nothing of the file is executed, and
nothing is copied: what one opcode makes is referred to by the next.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import Any

MAX_PICKLE_BYTES = 16 << 20
MAX_OPCODES = 2_000_000
_MAX_DEPTH = 60


class _Blank:
    """Something that a pickle would have called for; holds what it was given."""

    __slots__ = ("given",)

    def __init__(self, given: object = None) -> None:
        self.given = given


class _Storage:
    """A reference to a storage, by its key in the archive."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key


class _Mark:
    pass


def storage_names(data: bytes) -> dict[str, str]:
    """Return, per key of a storage, the place where it stands: ``optimizer.state.0.exp_avg``.

    Empty for what cannot be followed.
    """
    if len(data) > MAX_PICKLE_BYTES:
        return {}
    try:
        top = _Machine().run(data)
    except Exception:  # noqa: BLE001 - boundary: the file can hold anything, and a name is only a help
        return {}
    found: dict[str, str] = {}
    _collect(top, "", found, 0, set())
    return found


def _collect(value: Any, place: str, found: dict[str, str], depth: int, seen: set[int]) -> None:
    if depth > _MAX_DEPTH or id(value) in seen:
        return
    if isinstance(value, _Storage):
        found.setdefault(value.key, place)
        return
    for name, part in _parts(value):
        seen.add(id(value))
        _collect(part, f"{place}.{name}".strip(".") if name else place, found, depth + 1, seen)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield (str(key) if isinstance(key, (str, int)) else ""), part
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield str(number), part
    elif isinstance(value, tuple):
        # Arguments of what would be called: they carry no name of their own.
        for part in value:
            yield "", part
    elif isinstance(value, _Blank):
        yield "", value.given


class _Machine:
    """Follows the opcodes of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """Return what stands on top at the end."""
        for count, (opcode, argument, _place) in enumerate(pickletools.genops(data)):
            if opcode.name == "STOP" or count > MAX_OPCODES:
                break
            self._do(opcode.name, argument)
        return self._stack[-1]

    def _do(self, name: str, argument: Any) -> None:
        act = getattr(self, "_op_" + name.lower(), None)
        if act is not None:
            act(argument)
        elif name in _VALUES:
            self._stack.append(_VALUES[name])
        elif name in _LITERALS:
            self._stack.append(argument)
        elif name in _GETS:
            self._stack.append(self._memo.get(int(argument)))
        elif name in _PUTS:
            self._memo[int(argument)] = self._stack[-1]
        elif name in _CALLS:
            self._call(_CALLS[name])
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(name)

    def _call(self, count: int) -> None:
        at = len(self._stack) - count
        given = self._stack[at:]
        del self._stack[at:]
        # A call of a container's class, as OrderedDict(), is filled afterwards like the container.
        self._stack.append(_Blank(tuple(given[1:]) if count > 1 else None))

    def _marked(self) -> list[Any]:
        at = max(place for place, each in enumerate(self._stack) if isinstance(each, _Mark))
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def _op_mark(self, _argument: Any) -> None:
        self._stack.append(_Mark())

    def _op_memoize(self, _argument: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _op_pop(self, _argument: Any) -> None:
        self._stack.pop()

    def _op_empty_dict(self, _argument: Any) -> None:
        self._stack.append({})

    def _op_empty_list(self, _argument: Any) -> None:
        self._stack.append([])

    def _op_empty_set(self, _argument: Any) -> None:
        self._stack.append([])

    def _op_tuple(self, _argument: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def _op_tuple1(self, _argument: Any) -> None:
        self._stack[-1:] = [tuple(self._stack[-1:])]

    def _op_tuple2(self, _argument: Any) -> None:
        self._stack[-2:] = [tuple(self._stack[-2:])]

    def _op_tuple3(self, _argument: Any) -> None:
        self._stack[-3:] = [tuple(self._stack[-3:])]

    def _op_list(self, _argument: Any) -> None:
        self._stack.append(self._marked())

    def _op_append(self, _argument: Any) -> None:
        self._extend([self._stack.pop()])

    def _op_appends(self, _argument: Any) -> None:
        self._extend(self._marked())

    def _op_additems(self, _argument: Any) -> None:
        self._extend(self._marked())

    def _op_setitem(self, _argument: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key, value])

    def _op_setitems(self, _argument: Any) -> None:
        self._set(self._marked())

    def _op_binpersid(self, _argument: Any) -> None:
        given = self._stack.pop()
        is_storage = isinstance(given, tuple) and len(given) > 2 and given[0] == "storage"
        self._stack.append(_Storage(str(given[2])) if is_storage else _Blank(given))

    def _op_build(self, _argument: Any) -> None:
        state = self._stack.pop()
        top = self._stack[-1]
        if isinstance(top, _Blank):
            top.given = state if top.given in (None, ()) else (top.given, state)

    def _extend(self, items: list[Any]) -> None:
        top = self._stack[-1]
        if isinstance(top, _Blank):
            top.given = [*top.given, *items] if isinstance(top.given, list) else items
        else:
            top.extend(items)

    def _set(self, items: list[Any]) -> None:
        top = self._stack[-1]
        pairs = {
            (key if isinstance(key, (str, int)) else repr(type(key))): value
            for key, value in zip(items[::2], items[1::2], strict=True)
        }
        if isinstance(top, _Blank):
            top.given = {**top.given, **pairs} if isinstance(top.given, dict) else pairs
        else:
            top.update(pairs)


_VALUES: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = frozenset(
    {
        "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BININT", "BININT1", "BININT2", "INT",
        "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        "BINSTRING", "SHORT_BINSTRING", "STRING", "BYTEARRAY8",
    }
)  # fmt: skip
_GETS = frozenset({"BINGET", "LONG_BINGET", "GET"})
_PUTS = frozenset({"BINPUT", "LONG_BINPUT", "PUT"})
# How many things of the stack each takes; what it makes is a blank.
_CALLS = {"GLOBAL": 0, "REDUCE": 2, "NEWOBJ": 2, "STACK_GLOBAL": 2, "NEWOBJ_EX": 3}
