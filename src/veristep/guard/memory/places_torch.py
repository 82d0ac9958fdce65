"""Where code can hang in torch and in the interpreter without a name of its own: hooks, modes, threads.

Everything found is told once, with the code behind it. What of it is anybody's good right is not decided
here.
"""

from __future__ import annotations

import gc
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from veristep.guard.memory import describe
from veristep.guard.memory.notes import Notes

_MOST_TOLD = 1000
_KINDS = (nn.Module, Optimizer, LRScheduler, DataLoader)
_ANOTHER = "optimizer of another class"
_REGISTERED = re.compile(r"^([^\n:]+): .*registered at ([^\n]+?):(\d+)", re.MULTILINE)
_GLOBAL_TABLES = (
    ("torch.optim.optimizer", "optimizer"),
    ("torch.nn.modules.module", "module"),
)
# Read through C's own accessors: a tensor's class may have others.
_TENSOR_TABLES: dict[str, Callable[[Any], dict[int, Any] | None]] = {
    name: torch._C.TensorBase.__dict__[name].__get__
    for name in ("_backward_hooks", "_post_accumulate_grad_hooks")
}


class Places:
    """What this process has seen hanging where."""

    def __init__(self, notes: Notes, installed: tuple[str, ...]) -> None:
        self._notes = notes
        self._installed = installed
        self._told: set[tuple[object, ...]] = set()
        self._classes: WeakKeyDictionary[Any, type] = WeakKeyDictionary()
        self._operators: set[tuple[str, str, str]] = set()

    @staticmethod
    def wanted(kind: type) -> bool:
        """Whether objects of a type are looked at one by one."""
        mro = type.__getattribute__(kind, "__mro__")
        return any(each in mro for each in _KINDS)

    def thing(self, thing: Any) -> None:
        """Look at a module, optimizer, schedule or loader: its class, and what shadows its methods."""
        kind = type(thing)
        space = object.__getattribute__(thing, "__dict__")
        self._class(thing, kind, space)
        for name, value in list(space.items()):
            if type(name) is not str or type(value) not in describe.KINDS:
                continue
            if describe.in_mro(kind, name) is not None:
                self._tell("shadow", describe.codes(value), place=f"{describe.type_name(kind)}.{name}")

    def parameters(self, optimizer: Optimizer) -> Iterator[None]:
        """Look at the hooks on the tensors that an optimizer updates."""
        for group in list(object.__getattribute__(optimizer, "__dict__").get("param_groups", ())):
            for parameter in list(group["params"]):
                for name, tables in _TENSOR_TABLES.items():
                    table = tables(parameter)
                    if table:
                        for hook in list(table.values()):
                            place = (
                                f"the hooks of a tensor that {describe.type_name(type(optimizer))} updates"
                            )
                            self._tell("hook", describe.codes(hook), place=f"{place} ({name})")
                yield

    def quickly(self) -> Iterator[None]:
        """Look where a look costs little."""
        for module, what in _GLOBAL_TABLES:
            space = object.__getattribute__(sys.modules[module], "__dict__")
            for name, table in list(space.items()):
                if name.startswith("_global_") and issubclass(type(table), dict):
                    for hook in list(table.values()):
                        self._tell(
                            "hook", describe.codes(hook), place=f"the {what} hooks of the process ({name})"
                        )
            yield
        for hook in list(gc.callbacks):
            self._tell("interpreter", describe.codes(hook), place="gc.callbacks")
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if handler is not None and type(handler) not in (int, signal.Handlers):
                self._tell(
                    "interpreter", describe.codes(handler), place=f"the handler of signal {number:d}"
                )
        yield
        for name, hook in (
            ("threading.settrace", "_trace_hook"),
            ("threading.setprofile", "_profile_hook"),
        ):
            self._tell("interpreter", describe.codes(getattr(threading, hook, None)), place=name)
        self._monitoring()
        yield
        self._threads()

    def operators(self) -> Iterator[None]:
        """Look at who registered the kernels of torch's operators: the dispatcher knows file and line."""
        dump = torch._C._dispatch_dump
        for name in torch._C._dispatch_get_all_op_names():
            if not name.startswith("aten::"):
                continue
            text = dump(name)
            if ".py:" in text or "<" in text:
                for key, file, line in _REGISTERED.findall(text):
                    self._operator(name, key, file, int(line))
            yield

    def stack(self, codes: list[CodeType]) -> None:
        """Tell of code that was on the way to a step."""
        for code in codes:
            self._tell("stack", [code], place="the calls that led to a step")

    def mode(self, place: str, mode: Any) -> None:
        """Tell of a mode that is given torch's functions, or the dispatcher's, before they run."""
        kind = type(mode)
        found = []
        for name in ("__torch_function__", "__torch_dispatch__"):
            found += describe.codes(describe.in_mro(kind, name))
        self._tell("mode", found, place=f"{place} ({describe.type_name(kind)})")

    def interpreter(self, place: str, function: Any) -> None:
        """Tell of a function that the interpreter calls."""
        self._tell("interpreter", describe.codes(function), place=place)

    def _tell(self, kind: str, codes: list[CodeType], *, place: str) -> None:
        codes = [each for each in codes if not each.co_filename.startswith(describe.OWN_FOLDER)]
        key = (kind, place, *((each.co_filename, each.co_firstlineno, each.co_qualname) for each in codes))
        if not codes or key in self._told or len(self._told) > _MOST_TOLD:
            return
        self._told.add(key)
        self._notes.write(kind, place=place, codes=[describe.described(each) for each in codes])

    def _class(self, thing: Any, kind: type, space: dict[str, Any]) -> None:
        before = self._classes.get(thing)
        if before is kind:
            return
        self._classes[thing] = kind
        named = space.get("_zero_grad_profile_name")
        made = named.partition("#")[2].partition(".")[0] if type(named) is str else ""
        named_otherwise = bool(made) and made != kind.__name__
        if before is None and not named_otherwise and not self._never_made(kind):
            return
        was = describe.type_name(before) if before else (made if named_otherwise else _ANOTHER)
        related = self._is_related(kind, before, made if named_otherwise else "")
        codes = self._defined(kind, before)
        key = ("class", was, describe.type_name(kind))
        if key not in self._told:
            self._told.add(key)
            told = [describe.described(each) for each in codes]
            self._notes.write("class", place=describe.type_name(kind), was=was, related=related, codes=told)

    @staticmethod
    def _never_made(kind: type) -> bool:
        """Whether no optimizer was ever made of a class: at the first, torch marks the class's step."""
        mro = type.__getattribute__(kind, "__mro__")
        step = describe.in_mro(kind, "step") if Optimizer in mro else None
        return type(step) is FunctionType and "hooked" not in step.__dict__

    @staticmethod
    def _is_related(kind: type, before: type | None, made: str) -> bool:
        mro = type.__getattribute__(kind, "__mro__")
        return before in mro if before else any(each.__name__ == made for each in mro) or not made

    @staticmethod
    def _defined(kind: type, before: type | None) -> list[CodeType]:
        """Return the code a class brings that the one before had not."""
        known = set(type.__getattribute__(before, "__mro__")) if before else set(_KINDS) | {object}
        found: list[CodeType] = []
        for each in type.__getattribute__(kind, "__mro__"):
            if each in known:
                continue
            for value in list(type.__getattribute__(each, "__dict__").values()):
                if type(value) in describe.KINDS:
                    found += describe.codes(value)
        return found[:20]

    def _operator(self, name: str, key: str, file: str, line: int) -> None:
        if file.startswith((describe.OWN_FOLDER, *self._installed)):
            return
        if not file.endswith(".py") and not file.startswith("<"):
            return
        if (name, key, file) not in self._operators and len(self._operators) < _MOST_TOLD:
            self._operators.add((name, key, file))
            self._notes.write("operator", place=f"{name} ({key.strip()})", codes=[(file, line, name, "")])

    def _monitoring(self) -> None:
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is None:
            return
        for tool in range(6):
            name = monitoring.get_tool(tool)
            if name is not None and ("monitoring", name) not in self._told:
                self._told.add(("monitoring", name))
                self._notes.write(
                    "monitoring", place=f"sys.monitoring tool {tool}", name=str(name), codes=[]
                )

    def _threads(self) -> None:
        main = threading.main_thread().ident
        names = {each.ident: each.name for each in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            if ident in (main, threading.get_ident()):
                continue
            for code in codes_of(frame):
                self._tell(
                    "thread", [code], place=f"thread {names.get(ident, 'that threading does not know')}"
                )


def codes_of(frame: FrameType | None, most: int = 60) -> list[CodeType]:
    """Return the code of a frame and of those that called it, innermost first."""
    found: list[CodeType] = []
    while frame is not None and len(found) < most:
        found.append(frame.f_code)
        frame = frame.f_back
    return found
