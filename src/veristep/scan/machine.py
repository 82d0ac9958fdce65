"""Runs a pickle with the interpreter's own unpickler, and stand-ins for everything it names.

There is no second implementation of the pickle machine here that could understand a file otherwise than its
victim does. Nothing is imported and nothing is called: a name yields a stand-in, calling that yields
another, and both tell what was done with them.

Source of what is done with which: CPython's ``Modules/_pickle.c`` and ``Lib/pickle.py``.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from veristep.scan.describe import described
from veristep.scan.names import Names, Standing

# More stand-ins than this for one pickle are not told apart: it is made to cost memory.
_MOST_CALLS = 100
_LATIN = frozenset({"latin1", "latin-1", "iso-8859-1", "utf-8", "utf8", "ascii", "raw_unicode_escape"})


@dataclass(frozen=True, slots=True)
class Call:
    """A call of something that is not known to be harmless.

    Attributes:
        module, name: what is called.
        arguments: in words, bounded.
        standing: what the callee is known as.
    """

    module: str
    name: str
    arguments: str
    standing: Standing


@dataclass(slots=True)
class Trace:
    """What a pickle did.

    Attributes:
        value: what it is, when it is a number.
        names: every pair it looked up, in order, with its standing.
        calls: what it called that is not allowed.
        patches: what it did to a class or function itself, in words.
        odd: what else speaks against it, in words.
        nested: pickled bytes that an allowed callable would unpickle.
        persistent: whether it refers to objects outside of it.
        storages: of torch's tensors that lie outside of it, by key: the class and how many numbers.
        end: where it ended; -1 when it did not end.
        error: why it did not end; empty when it did.
    """

    value: int | None = None
    names: dict[tuple[str, str], Standing] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    patches: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    nested: list[bytes] = field(default_factory=list)
    persistent: bool = False
    storages: dict[str, tuple[str, int]] = field(default_factory=dict)
    end: int = -1
    error: str = ""

    @property
    def damning(self) -> bool:
        """Whether it does what no artifact may."""
        return bool(self.patches) or Standing.EXECUTES in self.names.values()


class Named(type):
    """The class of stand-ins for names; they are classes, as NEWOBJ and OBJ demand."""

    pair: tuple[str, str]
    standing: Standing
    trace: Recorder

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        """Note the call, and return what stands for its result."""
        del named
        return cls.trace.called(cls, arguments)

    def __setstate__(cls, state: Any) -> None:
        cls.trace.patched(cls, f"state {described(state)}")

    def __setitem__(cls, key: Any, value: Any) -> None:
        cls.trace.patched(cls, f"item {described(key)} = {described(value)}")

    def append(cls, value: Any) -> None:
        """Note it."""
        cls.trace.patched(cls, f"appending {described(value)}")

    def extend(cls, values: Any) -> None:
        """Note it."""
        cls.trace.patched(cls, f"appending {described(values)}")

    def add(cls, value: Any) -> None:
        """Note it."""
        cls.trace.patched(cls, f"adding {described(value)}")

    def __repr__(cls) -> str:
        return ".".join(cls.pair)


class _Base:
    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        del named
        return cast("Named", cls).trace.called(cast("Named", cls), arguments)


class Made:
    """What an allowed call would have returned."""

    __slots__ = ("arguments", "holds", "of", "state", "trace")

    def __init__(self, of: tuple[str, str], trace: Recorder, arguments: tuple[Any, ...] = ()) -> None:
        self.of = of
        self.trace = trace
        self.arguments = arguments if of in _REMEMBERED else ()
        self.holds: Named | None = None
        self.state: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Note the call."""
        del named
        self.trace.trace.odd.append(f"calls what {'.'.join(self.of)} returned, with {described(arguments)}")
        return Made(self.of, self.trace)

    def __setstate__(self, state: Any) -> None:
        if self.of in _REMEMBERED:
            self.state = state
        self.trace.state_set(self, state)

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(value) is Named:
            self.holds = value

    def append(self, value: Any) -> None:
        """Take a value."""

    def extend(self, values: Any) -> None:
        """Take values."""

    def add(self, value: Any) -> None:
        """Take a value."""

    def __repr__(self) -> str:
        return f"{'.'.join(self.of)}(…)"


# Whose arguments say what follows in the file, or what a hook is.
_REMEMBERED = frozenset(
    {("numpy", "dtype"), ("collections", "OrderedDict"), ("joblib.numpy_pickle", "NumpyArrayWrapper")}
)


class Recorder:
    """Keeps the trace while a pickle runs."""

    def __init__(self, names: Names) -> None:
        self.known = names
        self.trace = Trace()
        self._named: dict[tuple[str, str], Named] = {}

    def named(self, module: str, name: str) -> Named:
        """Return the stand-in for a name, and note it."""
        pair = (str(module), str(name))
        found = self._named.get(pair)
        if found is None:
            standing = self.known.standing(*pair)
            if pair not in _JUDGED_BY_CALL:
                self.trace.names[pair] = standing
            found = self._named[pair] = self._stand_in(pair, standing)
        return found

    def _stand_in(self, pair: tuple[str, str], standing: Standing) -> Named:
        return Named("Named", (_Base,), {"pair": pair, "standing": standing, "trace": self})

    def called(self, what: Named, arguments: tuple[Any, ...]) -> Any:
        """Return what a call would, and note it where it is not harmless."""
        check = _CHECKS.get(what.pair)
        if (check is None and what.standing is Standing.ALLOWED) or (
            check is not None and check(self, arguments)
        ):
            return Made(what.pair, self, arguments)
        standing = what.standing
        if what.pair in _JUDGED_BY_CALL:
            self.trace.names[what.pair] = standing
        elif check is not None and standing is Standing.ALLOWED:
            standing = Standing.EXECUTES
            self.trace.names[what.pair] = standing
        if len(self.trace.calls) < _MOST_CALLS:
            self.trace.calls.append(Call(*what.pair, described(arguments), standing))
        return self._stand_in((what.pair[0], f"{what.pair[1]}(…)"), standing)

    def take(self, inner: Trace) -> None:
        """Add what a pickle inside of this one did."""
        self.trace.names.update(inner.names)
        self.trace.calls += inner.calls
        self.trace.patches += inner.patches
        self.trace.odd += inner.odd
        self.trace.nested += inner.nested

    def patched(self, what: Named, how: str) -> None:
        """Note that something itself is changed."""
        # State given to what a forbidden call returned: the call itself is told.
        if not what.pair[1].endswith("(…)") and len(self.trace.patches) < _MOST_CALLS:
            self.trace.patches.append(f"{what!r}: {how}")

    def state_set(self, made: Made, state: Any) -> None:
        """Note hooks and methods stored in an object: they run when it is used."""
        if made.of in _SHARED:
            self.trace.patches.append(f"{made!r}: state {described(state)}")
        for part in state if isinstance(state, tuple) else (state,):
            if isinstance(part, dict):
                for key, value in part.items():
                    hook = _hook(value) if isinstance(key, str) and key.endswith("_hooks") else None
                    if hook is not None or (type(value) is Named and key in _USED_AS_METHODS):
                        self.trace.patches.append(f"{made!r}: {hook or value!r} as {key}")


# Calls that return an object which is there already, for the whole process.
_SHARED = frozenset({("logging", "getLogger"), ("uuid", "SafeUUID")})
_USED_AS_METHODS = frozenset(
    {"forward", "__call__", "step", "zero_grad", "backward", "train", "state_dict", "load_state_dict",
    "predict"}
)  # fmt: skip


def _hook(value: Any) -> str | None:
    """Return what a table of hooks calls; None when it is empty, or calls nothing by name."""
    if not isinstance(value, Made):
        entries = list(value.values()) if isinstance(value, dict) else []
    else:
        entries = [value.holds, *_flat(value.arguments)]
    return next((repr(each) for each in entries if type(each) is Named), None)


def _flat(value: Any, depth: int = 3) -> list[Any]:
    if depth and isinstance(value, (tuple, list)):
        return [one for each in value[:_MOST_CALLS] for one in _flat(each, depth - 1)]
    return [value]


def _encode(recorder: Recorder, arguments: tuple[Any, ...]) -> bool:
    # Other codecs are looked up by importing a module of their name.
    del recorder
    return len(arguments) < 2 or (isinstance(arguments[1], str) and arguments[1].lower() in _LATIN)


def _harmless_callee(recorder: Recorder, arguments: tuple[Any, ...]) -> bool:
    del recorder
    first = arguments[0] if arguments else None
    return isinstance(first, Made) or (
        isinstance(first, Named) and first.standing is Standing.ALLOWED and first.pair not in _CHECKS
    )


def _member(recorder: Recorder, arguments: tuple[Any, ...]) -> bool:
    if len(arguments) != 2:
        return False
    owner, name = arguments
    return (
        isinstance(owner, Named)
        and owner.pair in recorder.known.enums
        and isinstance(name, str)
        and name.isidentifier()
        and not name.startswith("_")
    )


def _unpickles(recorder: Recorder, arguments: tuple[Any, ...]) -> bool:
    if len(arguments) != 1 or not isinstance(arguments[0], bytes):
        return False
    recorder.trace.nested.append(arguments[0])
    return True


def _not_a_class(recorder: Recorder, arguments: tuple[Any, ...]) -> bool:
    # A scalar of type object is the object itself: what state is given to it then is given to a class.
    del recorder
    return not any(type(each) is Named for each in arguments)


# Calls that are harmless with some arguments only.
_CHECKS: dict[tuple[str, str], Callable[[Recorder, tuple[Any, ...]], bool]] = {
    ("_codecs", "encode"): _encode,
    ("functools", "partial"): _harmless_callee,
    ("torch._tensor", "_rebuild_from_type_v2"): _harmless_callee,
    ("torch.storage", "_load_from_bytes"): _unpickles,
    ("numpy.core.multiarray", "scalar"): _not_a_class,
    ("numpy._core.multiarray", "scalar"): _not_a_class,
    ("builtins", "getattr"): _member,
    ("__builtin__", "getattr"): _member,
}
# Pairs of the lists that are not harmless with every argument.
CHECKED = frozenset(_CHECKS)
# Names that are no finding by themselves, only by what they are called with.
_JUDGED_BY_CALL = frozenset({("builtins", "getattr"), ("__builtin__", "getattr")})


class _Unpickler(pickle.Unpickler):
    """The C unpickler."""

    recorder: Recorder

    def find_class(self, module: str, name: str, /) -> Any:
        return self.recorder.named(module, name)

    def persistent_load(self, pid: Any) -> Any:
        self.recorder.trace.persistent = True
        # Torch's format before 1.6 refers to classes this way, with their source for comparison.
        if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module" and type(pid[1]) is Named:
            return pid[1]
        if isinstance(pid, tuple) and len(pid) > 4 and pid[0] == "storage" and type(pid[1]) is Named:
            count = pid[4] if type(pid[4]) is int else -1
            self.recorder.trace.storages[repr(pid[2])] = (pid[1].pair[1], count)
        return Made(("persistent", "object"), self.recorder)


def runs_something(trace: Trace, names: Names) -> bool:
    """Whether a pickle, or what only reads like one, certainly executes something when it is loaded."""
    return trace.damning or any(names.of_the_language(call.module) for call in trace.calls)


def run(file: io.BufferedReader, names: Names) -> Trace:
    """Run one pickle from where a file stands, and leave the file behind it.

    Never raises for what the pickle is: why it did not end is in the trace.
    """
    recorder = Recorder(names)
    start = file.tell()
    with _Extensions(recorder):
        try:
            unpickler = _Unpickler(file, encoding="latin1")
            unpickler.recorder = recorder
            value = unpickler.load()
            recorder.trace.value = value if type(value) is int else None
            recorder.trace.end = file.tell()
        except MemoryError:
            recorder.trace.error = "it asks for more memory than a scan may use"
        except Exception as error:  # noqa: BLE001 - boundary: the pickle chooses what is raised
            recorder.trace.error = f"{type(error).__name__}: {str(error)[:200]}"
    if recorder.trace.end < 0 and not recorder.trace.error:
        recorder.trace.error = f"it stops at byte {start}"
    for pair in _JUDGED_BY_CALL:
        # Named and never called: it may be called by whoever gets it.
        if pair in recorder._named and pair not in recorder.trace.names:
            recorder.trace.names[pair] = Standing.UNLISTED
    return recorder.trace


class _Extensions:
    """Registers a stand-in for extension codes while a pickle runs.

    A code means whatever its victim's process has registered; the unpickler looks it up in a dictionary of
    `copyreg` itself, so the codes that pickles use are found out by running.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        registry: dict[int, tuple[str, str]] = copyreg._inverted_registry  # type: ignore[attr-defined]
        for code in range(1, 256):
            registry[code] = ("extension registry", f"code {code}")

    def __exit__(self, *_: object) -> None:
        copyreg._inverted_registry.clear()  # type: ignore[attr-defined]
        copyreg._extension_cache.clear()  # type: ignore[attr-defined]
