"""A look at every step, from within torch's own hook before it.

Whatever is put in place only for the length of a step stands there at that moment.

It runs in the training thread at each update, so it only collects; `patrol` tells.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

import torch
from torch.optim import Optimizer

_MOST_WAITING = 1000
_MOST_FRAMES = 60
_function_modes = torch._C._len_torch_function_stack
_dispatch_modes = torch._C._len_torch_dispatch_stack


class Steps:
    """What was seen at steps and is not told yet.

    Attributes:
        count: steps seen.
        codes: code on the way to a step, each once.
        others: places and what stood there.
        optimizers: those that stepped.
    """

    def __init__(self, began: Callable[[Optimizer], None]) -> None:
        self.count = 0
        self.codes: list[CodeType] = []
        self.others: list[tuple[str, Any]] = []
        self.optimizers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self.main = sys.modules["__main__"].__dict__
        self._began = began
        self._seen: dict[int, CodeType] = {}
        self._known: set[int] = set()
        self._tracing: tuple[Any, Any] = (None, None)
        self._failed = False

    def forked(self) -> None:
        """Begin anew in a child."""
        self.count = 0

    def before(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        """An update begins: torch calls this."""
        try:
            self.count += 1
            if self.count == 1:
                self._began(optimizer)
            self._look(optimizer)
        except Exception:  # noqa: BLE001 - boundary: nothing of ours may fail the script's step
            self._failed = True

    def _look(self, optimizer: Optimizer) -> None:
        frame: FrameType | None = sys._getframe(2)
        seen = self._seen
        for _ in range(_MOST_FRAMES):
            if frame is None:
                break
            code = frame.f_code
            if id(code) not in seen and len(seen) < _MOST_WAITING:
                seen[id(code)] = code
                if frame.f_globals is not self.main or code.co_filename[:1] != "<":
                    self.codes.append(code)
            frame = frame.f_back
        if id(optimizer) not in self._known:
            self._known.add(id(optimizer))
            self.optimizers.add(optimizer)
        if _function_modes() or _dispatch_modes():
            self._modes()
        tracing = (sys.gettrace(), sys.getprofile())
        if tracing != self._tracing:
            self._tracing = tracing
            self.others += [("sys.settrace", tracing[0]), ("sys.setprofile", tracing[1])]

    def _modes(self) -> None:
        if len(self.others) > _MOST_WAITING:
            return
        for place in range(_function_modes()):
            self.others.append(("torch function modes", torch._C._get_function_stack_at(place)))
        for place in range(_dispatch_modes()):
            self.others.append(("torch dispatch modes", torch._C._get_dispatch_stack_at(place)))
