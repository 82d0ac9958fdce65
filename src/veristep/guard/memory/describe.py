"""What a value in memory consists of: the code behind it, and a digest that any process would have.

Looks at types by identity and never asks an object about itself: whatever lies in memory may answer with
code of its own. Used in training processes and, for comparison, in a clean one; it imports next to nothing.
"""

from __future__ import annotations

import functools
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)

try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

from veristep.guard.env.code_digest import of_function_code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

Described = tuple[str, int, str, str]
"""File, line, qualified name and digest of a code object."""

_DEEP = 6
_MOST_CODES = 12
_LONGEST = 200
_DIGEST_BYTES = 8
_DESCRIPTORS = (
    ClassMethodDescriptorType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
_PLAIN = (type(None), bool, int, float, complex, type(Ellipsis))
_WRAPPERS = (staticmethod, classmethod)
_CACHED = type(functools.lru_cache(maxsize=1)(lambda: None))
# What a wrapper of Veristep's own holds what it wraps under.
OWN_CELL = "original"
# Everything of Veristep lies below this folder.
OWN_FOLDER = __file__.rpartition("/guard/memory/")[0] + "/"
KINDS = frozenset(
    (
        FunctionType,
        MethodType,
        BuiltinFunctionType,
        property,
        functools.partial,
        _CACHED,
        *_WRAPPERS,
        *_DESCRIPTORS,
    )
)
"""Types of values that are looked at in namespaces."""
PLAIN_KINDS = frozenset((BuiltinFunctionType, *_DESCRIPTORS))
"""Those of them that consist of nothing else."""


def codes(value: object) -> list[CodeType]:
    """Return the code objects behind a callable: its own, and those of what it wraps."""
    found: dict[int, CodeType] = {}
    for function in functions(value):
        found[id(function.__code__)] = function.__code__
        if len(found) >= _MOST_CODES:
            break
    return list(found.values())


def functions(value: object, depth: int = 0) -> Iterator[FunctionType]:
    """Yield the functions behind a callable, from the outside in."""
    if depth > _DEEP:
        return
    if type(value) is FunctionType:
        yield value
    for inner in _within(value):
        yield from functions(inner, depth + 1)


def described(code: CodeType) -> Described:
    """Return what is told of a code object."""
    return code.co_filename, code.co_firstlineno, code.co_qualname, of_function_code(code)


def is_own(function: FunctionType) -> bool:
    """Whether a function says that it is Veristep's; whether it is, its code's digest tells."""
    return function.__code__.co_filename.startswith(OWN_FOLDER)


def wrapped_by_us(function: FunctionType) -> object:
    """Return what a wrapper of Veristep's wraps; the function itself when it is none."""
    if is_own(function) and function.__closure__:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=False):
            if name == OWN_CELL:
                return contents(cell)
    return function


def digests(value: object) -> tuple[str, str]:
    """Return two digests of a value: of the code behind it, and of what it is given (defaults, closure).

    Both are the same in every process that has the same code installed.
    """
    code: list[str] = []
    rest: list[str] = []
    _tell(value, code, rest, 0)
    return _digest(code), _digest(rest)


def contents(cell: CellType) -> object:
    """Return what a cell holds; None when it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def type_name(kind: type) -> str:
    """Return the name of a type, whatever its metaclass says."""
    space = type.__getattribute__(kind, "__dict__")
    module = space.get("__module__", "builtins")
    return f"{module if type(module) is str else '?'}.{type.__getattribute__(kind, '__qualname__')}"


def _within(value: object) -> Iterator[object]:
    kind = type(value)
    if kind is FunctionType:
        assert isinstance(value, FunctionType)
        for cell in value.__closure__ or ():
            inner = contents(cell)
            if type(inner) in KINDS:
                yield inner
    elif kind is MethodType:
        yield value.__func__  # type: ignore[attr-defined]
    elif kind in _WRAPPERS or kind is _CACHED:
        yield object.__getattribute__(value, "__func__" if kind in _WRAPPERS else "__wrapped__")
    elif kind is property:
        yield from (value.fget, value.fset, value.fdel)  # type: ignore[attr-defined]
    elif kind is functools.partial:
        assert isinstance(value, functools.partial)
        yield value.func
    elif kind not in KINDS and not issubclass(kind, type):
        call = in_mro(kind, "__call__")
        if type(call) is FunctionType:
            yield call


def in_mro(kind: type, name: str) -> object:
    """Return what a class, or one it is derived from, has under a name; None when none has."""
    for each in type.__getattribute__(kind, "__mro__"):
        space = type.__getattribute__(each, "__dict__")
        if name in space:
            found: object = space[name]
            return found
    return None


def _tell(value: object, code: list[str], rest: list[str], depth: int) -> None:
    kind = type(value)
    if depth > _DEEP:
        return
    if kind is FunctionType:
        assert isinstance(value, FunctionType)
        held = wrapped_by_us(value)
        if held is value:
            _tell_function(value, code, rest, depth)
        else:
            _tell(held, code, rest, depth)
    elif kind in KINDS:
        _tell_callable(value, kind, code, rest, depth)
    elif kind in _PLAIN or kind is str or kind is bytes:
        rest.append(repr(value)[:_LONGEST])
    elif kind is tuple:
        rest.append("(")
        for each in value:  # type: ignore[attr-defined]
            _tell(each, code, rest, depth + 1)
        rest.append(")")
    elif issubclass(kind, type):
        rest.append(f"class {type_name(value)}")  # type: ignore[arg-type]
    else:
        rest.append(type_name(kind))


def _tell_function(value: FunctionType, code: list[str], rest: list[str], depth: int) -> None:
    code.append(of_function_code(value.__code__))
    for each in value.__defaults__ or ():
        _tell(each, rest, rest, depth + 1)
    for name, each in sorted((value.__kwdefaults__ or {}).items()):
        rest.append(str(name))
        _tell(each, rest, rest, depth + 1)
    for cell in value.__closure__ or ():
        _tell(contents(cell), code, rest, depth + 1)


def _tell_callable(value: Any, kind: type, code: list[str], rest: list[str], depth: int) -> None:
    if kind is MethodType:
        _tell(value.__func__, code, rest, depth + 1)
        code.append(type_name(type(value.__self__)))
    elif kind is BuiltinFunctionType:
        bound = value.__self__
        of = "" if bound is None or type(bound) is ModuleType else type_name(type(bound))
        code.append(f"builtin {value.__qualname__} {of}")
    elif kind in _DESCRIPTORS:
        code.append(f"{kind.__name__} {type_name(value.__objclass__)}.{value.__name__}")
    else:
        code.append(kind.__name__)
        for inner in _within(value):
            _tell(inner, code, rest, depth + 1)


def _digest(words: list[str]) -> str:
    return blake2b("\n".join(words).encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).hexdigest()
