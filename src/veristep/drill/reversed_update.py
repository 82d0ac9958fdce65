"""Rehearsal: at a few steps the optimizer's update goes the wrong way.

What row 9 of the incident describes: code that reached the process from outside the project patches
other people's optimizers at run time. The implant is a ``sitecustomize`` in a folder on ``PYTHONPATH``,
as a shared shell profile or a poisoned module folder would bring it. It wraps whatever optimizer the
script builds, lets the true update happen, and then mirrors it around the old parameters, at the steps it
was told, in the tensor it was told or in all. It changes nothing else and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_IMPLANT = '''\
"""A rehearsal written by `veristep drill`: it reverses the update at some steps. Harmless to remove."""
import importlib.abc
import importlib.util
import os
import sys

STEPS = {steps!r}
TENSOR = {tensor!r}
RANK = {rank!r}


def _poison(optim):
    import torch

    Optimizer = optim.Optimizer
    wrap = Optimizer.profile_hook_step
    taken = [0]

    def poisoned(step):
        def reversed_step(self, *args, **kwargs):
            number = taken[0]
            taken[0] += 1
            if number not in STEPS or RANK not in (None, os.environ.get("RANK", "0")):
                return step(self, *args, **kwargs)
            parameters = [p for group in self.param_groups for p in group["params"]]
            chosen = parameters if TENSOR is None else parameters[TENSOR : TENSOR + 1]
            before = [p.detach().clone() for p in chosen]
            result = step(self, *args, **kwargs)
            with torch.no_grad():
                for p, old in zip(chosen, before):
                    p.copy_(old - (p - old))
            return result

        return wrap(reversed_step)

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


def plant(
    folder: Path, *, steps: Collection[int], tensor: int | None = None, rank: int | None = None
) -> Path:
    """Write the implant into `folder`, which then takes effect wherever it is on ``PYTHONPATH``.

    Args:
        folder: created if it is not there.
        steps: numbers of the updates to reverse, counted in each process.
        tensor: place of the one parameter to touch; None for all.
        rank: the one rank to act on; None for all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = _IMPLANT.format(
        steps=set(steps) or {-1}, tensor=tensor, rank=None if rank is None else str(rank)
    )
    path = folder / "sitecustomize.py"
    path.write_text(text, encoding="utf-8")
    return path
