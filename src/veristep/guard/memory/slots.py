"""The names of installed modules and classes, and what stands there.

Of the places that matter to training a digest of what stands there is told, to be compared with a clean
process. Of all others only what comes from elsewhere than the namespace it stands in.
"""

from __future__ import annotations

import _imp
import functools
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

from veristep.guard.memory import describe
from veristep.guard.memory.describe import KINDS
from veristep.guard.memory.notes import Notes

# Modules whose every name is compared with a clean process; below a name that ends in a dot, all.
CRITICAL = (
    "torch",
    "torch._C",
    "torch._C._nn",
    "torch._C._VariableFunctions",
    "torch._tensor",
    "torch.amp.",
    "torch.autograd.",
    "torch.autograd",
    "torch.functional",
    "torch.nn.",
    "torch.optim.",
    "torch.optim",
    "torch.random",
    "torch.serialization",
    "torch.utils.data.",
    "torch.utils.hooks",
    "torch.utils._foreach_utils",
    "random",
    "math",
    "numpy.random",
    "numpy.random.mtrand",
    "numpy.random._generator",
    "builtins",
)
_MOST_TOLD = 500
_NAMES_A_PAIR = 3
# What is written in one go, and what is compared in one go, hold the interpreter.
_NAMES_A_LINE, _NAMES_A_LOOK = 100, 40

# What the interpreter brings along; whether code is theirs that says so, its digest tells (`codes`).
_FROZEN = frozenset(
    f"<frozen {name}>"
    for name in (*sys.stdlib_module_names, "importlib._bootstrap", "importlib._bootstrap_external")
    if name.startswith("importlib._") or _imp.is_frozen(name)
)

# Of a class of C the module stands in no dictionary; the interpreter's own accessor knows.
_module_of = type.__dict__["__module__"].__get__

Slot = tuple[str, object]
"""Dotted name within a module, value."""


@functools.cache
def is_critical(module: str) -> bool:
    """Whether a module is compared with a clean process, name by name."""
    return any(module == each or (each[-1] == "." and module.startswith(each)) for each in CRITICAL)


def prefixes() -> tuple[str, ...]:
    """Return the folders of the standard library and of what is installed, each with its slash."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    bases = dict.fromkeys((sys.prefix, sys.base_prefix, sys.exec_prefix))
    found = [f"{base}/{lib}/{version}/" for base in bases for lib in ("lib", "lib64")]
    return (*found, "/usr/lib/python3/dist-packages/", f"/usr/local/lib/{version}/dist-packages/")


def of_module(name: str, module: ModuleType) -> Iterator[Slot]:
    """Yield what a module defines and holds: its names, and those of the classes that are its own."""
    space = object.__getattribute__(module, "__dict__")
    for key, value in list(space.items()):
        if type(key) is not str:
            continue
        kind = type(value)
        if kind in KINDS:
            yield key, value
        elif issubclass(kind, type):
            if _module_of(value) == name:
                yield from _of_class(name, value, 0)
            else:
                yield key, value


def _of_class(module: str, kind: type, depth: int) -> Iterator[Slot]:
    space = type.__getattribute__(kind, "__dict__")
    path = type.__getattribute__(kind, "__qualname__")
    for key, value in list(space.items()):
        if type(key) is not str:
            continue
        if type(value) in KINDS:
            yield f"{path}.{key}", value
        elif depth < 2 and issubclass(type(value), type):
            qualified = type.__getattribute__(value, "__qualname__")
            if _module_of(value) == module and qualified == f"{path}.{key}":
                yield from _of_class(module, value, depth + 1)


class Slots:
    """What this process knows of the names of its modules."""

    def __init__(self, notes: Notes, installed: tuple[str, ...]) -> None:
        self._notes = notes
        self._installed = installed
        self._known: dict[tuple[str, int], dict[str, tuple[int, ...]]] = {}
        self._pairs: dict[tuple[str, str], int] = {}
        self._told = 0
        self.count = 0

    def critical(self) -> list[tuple[str, ModuleType]]:
        """Return the modules that are compared with a clean process."""
        return [pair for pair in _modules() if is_critical(pair[0])]

    def others(self) -> list[tuple[str, ModuleType]]:
        """Return the other modules that are installed."""
        return [pair for pair in _modules() if not is_critical(pair[0]) and self._is_installed(pair[1])]

    def module(self, name: str, module: ModuleType) -> Iterator[None]:
        """Go through a module; yields between its names."""
        critical = is_critical(name)
        known = self._known.setdefault((name, id(module)), {})
        changed: dict[str, object] = {}
        generated: dict[str, object] = {}
        try:
            for count, (path, value) in enumerate(of_module(name, module)):
                signature = _signature(value) if critical else _short(value)
                before = known.get(path)
                if before != signature:
                    known[path] = signature
                    if critical:
                        changed[path] = self._slot(path, value, new=before is None)
                    else:
                        codes = describe.codes(value)
                        if any(_is_generated(each) for each in codes):
                            told = [describe.described(each) for each in codes]
                            generated[path] = [before is None, told]
                        self._foreign(name, path, value, codes, new=before is None)
                    yield
                    if len(changed) + len(generated) >= _NAMES_A_LINE:
                        self._tell(name, module, changed, generated)
                        changed, generated = {}, {}
                elif not count % _NAMES_A_LOOK:
                    yield
        finally:
            # What is known is not told once more: a look that is cut short tells it, too.
            self._tell(name, module, changed, generated)
        self.count += len(known)

    def _tell(
        self, name: str, module: ModuleType, changed: dict[str, object], generated: dict[str, object]
    ) -> None:
        file = object.__getattribute__(module, "__dict__").get("__file__")
        file = file if type(file) is str else ""
        if changed:
            self._notes.write("slots", module=name, file=file, slots=changed)
        if generated:
            self._notes.write("generated", module=name, file=file, names=generated)

    @staticmethod
    def _slot(path: str, value: object, *, new: bool) -> list[object]:
        code, rest = describe.digests(value)
        found = describe.codes(value)
        home = found[0].co_qualname if found else path
        plain = home == path and not found[1:] and new
        told = [] if plain else [describe.described(each) for each in found]
        return [code, rest, told]

    def _foreign(self, module: str, path: str, value: object, codes: list[CodeType], *, new: bool) -> None:
        """Tell of code that comes from elsewhere than where it stands."""
        for code in codes:
            file = code.co_filename
            if file.startswith(describe.OWN_FOLDER) or file[:1] == "<":
                continue
            if file.startswith(self._installed):
                package = module.partition(".")[0]
                pair = (package, file)
                seen = self._pairs.get(pair, 0)
                self._pairs[pair] = seen + 1
                if seen >= _NAMES_A_PAIR or f"/{package}" in file:
                    continue
            if self._told < _MOST_TOLD:
                self._told += 1
                digests = describe.digests(value)
                # Of what is made from a string is told apart, with what the source says of the name.
                told = [describe.described(each) for each in codes if not _is_generated(each)]
                self._notes.write("foreign", module=module, path=path, slot=[*digests, told], new=new)
            return

    def _is_installed(self, module: ModuleType) -> bool:
        space = object.__getattribute__(module, "__dict__")
        file = space.get("__file__")
        if file is None:
            return space.get("__name__") in sys.builtin_module_names
        return type(file) is str and file.startswith(self._installed)


def _modules() -> list[tuple[str, ModuleType]]:
    return [
        (name, module)
        for name, module in list(sys.modules.items())
        if type(name) is str and issubclass(type(module), ModuleType)
    ]


def _is_generated(code: CodeType) -> bool:
    return code.co_filename[:1] == "<" and code.co_filename not in _FROZEN


def _short(value: object) -> tuple[int, ...]:
    """Return numbers that change when a value, or a function's code, is exchanged."""
    if type(value) is FunctionType:
        return (id(value), id(value.__code__))
    return (id(value),)


def _signature(value: object) -> tuple[int, ...]:
    """Return numbers that change when a value, or anything it is made of, is exchanged."""
    kind = type(value)
    if kind is FunctionType and value.__closure__ is None:  # type: ignore[attr-defined]
        return _of_function(value)  # type: ignore[arg-type]
    if kind in describe.PLAIN_KINDS:
        return (id(value),)
    found: tuple[int, ...] = (id(value),)
    for function in describe.functions(value):
        found += _of_function(function)
        found += tuple([id(describe.contents(cell)) for cell in function.__closure__ or ()])
        if len(found) > 60:
            break
    return found


def _of_function(function: FunctionType) -> tuple[int, ...]:
    return (id(function), id(function.__code__), id(function.__defaults__), id(function.__kwdefaults__))
