"""Rehearsal: at a few steps the model learns from the batch before once more.

The implant has the training's loader hand out its last batch again, below everything that watches the
loader; a script that draws its batches itself gets the inputs of its last training forward again. A loader
that is read ahead hands the repeated batch to a step later than the one it was told; where two updates
share one forward, so does the one without.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from veristep.drill.implant import write

_ACTS = """\
trained = []  # the data set that training reads: the last one read before the first update
handed = {}  # the last batch of each data set
done = set()


def due():
    # Two optimizers may share one forward: then a step has no batch of its own, and the next one's counts.
    late = {step for step in STEPS if 0 <= step <= taken} - done
    done.update(late)
    return here() and bool(late)


def served(original):
    import copy

    import torch

    @functools.wraps(original)
    def _next_data(self):
        batch = original(self)
        if not torch.is_grad_enabled():
            return batch
        if not taken:
            trained[:] = [id(self._dataset)]
        if trained != [id(self._dataset)]:
            return batch
        last = handed.get("loader")
        handed["loader"] = copy.deepcopy(batch)
        return last if last is not None and due() else batch

    return _next_data


def called(original):
    import torch

    inside = [False]

    @functools.wraps(original)
    def call(self, *args, **kwargs):
        if inside[0] or trained or not self.training or not torch.is_grad_enabled():
            return original(self, *args, **kwargs)
        if args and all(isinstance(a, torch.Tensor) and not a.requires_grad for a in args):
            last = handed.get("forward")
            handed["forward"] = tuple(a.clone() for a in args)
            if last is not None and due():
                args = last
        inside[0] = True
        try:
            return original(self, *args, **kwargs)
        finally:
            inside[0] = False

    return call


def arrived():
    from torch import nn
    from torch.utils.data import dataloader

    for kind in (dataloader._SingleProcessDataLoaderIter, dataloader._MultiProcessingDataLoaderIter):
        kind._next_data = served(kind._next_data)
    nn.Module.__call__ = called(nn.Module.__call__)
"""


def plant(folder: Path, *, steps: Collection[int], rank: int | None = None) -> Path:
    """Write the implant; see `implant.write` for the arguments."""
    return write(folder, "it repeats some batches", _ACTS, steps=steps, rank=rank)
