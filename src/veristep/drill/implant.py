"""What all rehearsals share: an implant on the module path that acts at some updates of a training.

What row 9 of the incident describes: code that reached the process from outside the project patches
other people's optimizers at run time. The implant is a ``sitecustomize`` in a folder on ``PYTHONPATH``,
as a shared shell profile or a poisoned module folder would bring it. It counts the updates of its process
and, at those it was told, calls what a rehearsal defines::

    before(optimizer)        outside the update, before everything that watches it
    gradients(optimizer)     the same, and once the gradients are there (a closure may compute them)
    update(optimizer, do)    in place of the update itself; `do` is the true one
    after(optimizer)         outside the update, after everything that watches it

and, once, ``arrived()`` when the first optimizer is built, for what hooks other places. It leaves nothing
behind.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_FRAME = '''\
"""A rehearsal written by `veristep drill`: {about}. Harmless to remove."""
import functools
import importlib.abc
import importlib.util
import os
import sys

STEPS = {steps!r}
TENSOR = {tensor!r}
RANK = {rank!r}
AMOUNT = {amount!r}

taken = 0  # updates of this process that are over
depth = 0  # an optimizer may wrap others: the outermost update counts


def here():
    return RANK in (None, os.environ.get("RANK", "0"))


def acts():
    return taken in STEPS and here()


def chosen(optimizer):
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return parameters if TENSOR is None else parameters[TENSOR : TENSOR + 1]


def arrived():
    pass


def before(optimizer):
    pass


def gradients(optimizer):
    pass


def update(optimizer, do):
    return do()


def after(optimizer):
    pass


{acts}

def _followed(optimizer, closure):
    waiting = [True]

    @functools.wraps(closure)
    def followed(*args, **kwargs):
        result = closure(*args, **kwargs)
        if waiting.pop() if waiting else False:
            gradients(optimizer)
        return result

    return followed


def _poison(optim):
    Optimizer = optim.Optimizer
    wrap = Optimizer.profile_hook_step
    known = []

    def poisoned(step):
        if not known:
            known.append(step)
            arrived()

        @functools.wraps(step)
        def inner(self, *args, **kwargs):
            if depth > 1 or not acts():
                return step(self, *args, **kwargs)
            return update(self, lambda: step(self, *args, **kwargs))

        hooked = wrap(inner)

        @functools.wraps(step)
        def outer(self, *args, **kwargs):
            global taken, depth
            depth += 1
            acting = depth == 1 and acts()
            try:
                if acting:
                    before(self)
                    if args and callable(args[0]):
                        args = (_followed(self, args[0]), *args[1:])
                    elif callable(kwargs.get("closure")):
                        kwargs["closure"] = _followed(self, kwargs["closure"])
                    else:
                        gradients(self)
                result = hooked(self, *args, **kwargs)
                if acting:
                    after(self)
                return result
            finally:
                depth -= 1
                taken += not depth

        return outer

    Optimizer.profile_hook_step = staticmethod(poisoned)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torch.optim":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            _poison(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Finder())
'''


def write(
    folder: Path,
    about: str,
    acts: str,
    *,
    steps: Collection[int],
    tensor: int | None = None,
    rank: int | None = None,
    amount: float | None = None,
) -> Path:
    """Write an implant into `folder`, which then takes effect wherever it is on ``PYTHONPATH``.

    Args:
        folder: created if it is not there.
        about: what it does, for whoever finds it.
        acts: Python source of what the rehearsal defines.
        steps: numbers of the updates to act at, counted in each process.
        tensor: place of the one parameter to touch; None for all.
        rank: the one rank to act on; None for all.
        amount: how much, where that means something.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _FRAME.format(
        about=about,
        acts=acts,
        steps=set(steps) or {-1},
        tensor=tensor,
        rank=None if rank is None else str(rank),
        amount=amount,
    )
    path = folder / "sitecustomize.py"
    path.write_text(text, encoding="utf-8")
    return path
