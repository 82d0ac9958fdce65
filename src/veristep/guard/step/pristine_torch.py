"""Optimizers as their source says, whatever became of those in memory.

The sources of ``torch.optim`` are compiled and executed once more, under a private name: hooks, patches and
exchanged classes of the training's own copy do not reach them. What they call in turn (tensor methods) is
the training's. The files themselves are looked at by the rules of the environment.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import torch

ELEMENTWISE: Final = {
    "ASGD": "asgd",
    "Adadelta": "adadelta",
    "Adagrad": "adagrad",
    "Adam": "adam",
    "AdamW": "adamw",
    "Adamax": "adamax",
    "NAdam": "nadam",
    "RAdam": "radam",
    "RMSprop": "rmsprop",
    "Rprop": "rprop",
    "SGD": "sgd",
}
"""Optimizers whose update of a coordinate depends on nothing but it and numbers of its tensor."""

_ORDINARY = {"fused": False, "capturable": False, "differentiable": False}


def elementwise(optimizer: Any) -> str:
    """Return the name of an optimizer's class when it is one of `ELEMENTWISE`; else nothing.

    A class of another's own, derived from one of these or not, may update otherwise.
    """
    kind = type(optimizer)
    name = kind.__name__
    module = ELEMENTWISE.get(name)
    if module is None or kind.__module__ != f"torch.optim.{module}":
        return ""
    return name if getattr(torch.optim, name, None) is kind else ""


class Pristine:
    """Private copies of optimizer classes.

    Attributes:
        sources: SHA-256 of each source file that was executed, by its path.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Execute nothing yet.

        Args:
            folder: of the sources; that of ``torch.optim`` unless said otherwise.
        """
        self.sources: dict[str, str] = {}
        self._folder = folder or Path(torch.__file__).parent / "optim"
        self._name = f"_veristep_optim_{os.urandom(8).hex()}"
        self._steps: dict[str, tuple[type, Callable[[Any], Any]]] = {}
        self._modules: dict[str, ModuleType] = {}

    def step(
        self, kind: str, parameter: torch.Tensor, group: dict[str, Any], state: dict[str, Any]
    ) -> dict[str, Any]:
        """Update a tensor in place as an optimizer of class `kind` does.

        Args:
            kind: one of `ELEMENTWISE`.
            parameter: with its gradient in ``.grad``.
            group: hyperparameters.
            state: of this parameter; empty before its first update.

        Returns:
            Its state afterwards.

        Raises:
            OSError, SyntaxError: the source cannot be read.
        """
        known = self._steps.get(kind)
        if known is None:
            known = self._steps[kind] = self._class(kind)
        made, step = known
        optimizer: Any = object.__new__(made)
        ordinary = {key: value for key, value in _ORDINARY.items() if key in group}
        optimizer.param_groups = [{**group, **ordinary, "params": [parameter]}]
        optimizer.defaults = dict(optimizer.param_groups[0])
        optimizer.state = defaultdict(dict)
        if state:
            optimizer.state[parameter] = dict(state)
        with torch.no_grad():
            step(optimizer)
        found: dict[str, Any] = optimizer.state[parameter]
        return found

    def _class(self, kind: str) -> tuple[type, Callable[[Any], Any]]:
        package = ModuleType(self._name)
        package.__path__ = [str(self._folder)]
        self._modules[self._name] = package
        try:
            sys.modules[self._name] = package
            for name in ("optimizer", "adam", ELEMENTWISE[kind]):  # AdamW is an Adam
                self._execute(name)
        finally:
            # Nobody finds them by name: they are reached from here only.
            for name in self._modules:
                sys.modules.pop(name, None)
        made: type = vars(self._modules[f"{self._name}.{ELEMENTWISE[kind]}"])[kind]
        return made, inspect.unwrap(made.step)  # type: ignore[attr-defined]

    def _execute(self, name: str) -> None:
        full = f"{self._name}.{name}"
        module = self._modules.get(full)
        if module is not None:
            sys.modules[full] = module
            return
        path = self._folder / f"{name}.py"
        source = path.read_bytes()
        self.sources[str(path)] = hashlib.sha256(source).hexdigest()
        module = ModuleType(full)
        module.__package__ = self._name
        module.__file__ = str(path)
        self._modules[full] = sys.modules[full] = module
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102 - that is what this is for
