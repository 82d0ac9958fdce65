"""Taking the sketch of an update (`core.sketch`) from the units that were digested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import torch

from veristep.core.records import UnitsDigest
from veristep.core.sketch import DRAW_BYTES, Line, lines
from veristep.core.units import Cut, order
from veristep.record.tensors_torch import CopiedUnit, Digested, chosen_units, layout, raw

_PLAIN_TYPES = (torch.Tensor, torch.nn.Parameter)


class Sketch(NamedTuple):
    """The draws, and the bytes of the lines they choose, one after another; empty when there is none."""

    draws: bytes = b""
    values: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.draws)


NO_SKETCH = Sketch()


def take(tensors: Sequence[torch.Tensor], digest: UnitsDigest) -> Sketch:
    """Return the sketch of live tensors, drawn from the units that were just digested."""
    if not digest.units or not all(map(sampled, tensors)):
        return NO_SKETCH
    draws = os.urandom(DRAW_BYTES)
    chosen = lines(layout(tensors), chosen_units(digest), draws)
    return Sketch(draws, b"".join([read(tensors[line.tensor], line) for line in chosen]))


def take_copied(digested: Digested, units: Cut) -> Sketch:
    """Return the sketch drawn from units that were copied to be digested; empty where they were not."""
    copies = [each for each in digested.parts if isinstance(each, CopiedUnit)]
    if not copies or len(copies) < len(digested.parts):
        return NO_SKETCH
    draws = os.urandom(DRAW_BYTES)
    found = []
    chosen = list(islice(order(digested.total, digested.seed or 0), len(copies)))
    for line in lines(units, chosen, draws):
        copied = copies[line.place]
        first = max(copied.start, 0)
        found.append(copied.data[line.start - first : line.stop - first])
    return Sketch(draws, b"".join(found))


def sampled(tensor: torch.Tensor) -> bool:
    """Whether coordinates of a tensor can be read one by one: not of a sparse, quantised or sharded one."""
    return type(tensor) in _PLAIN_TYPES and tensor.layout is torch.strided and not tensor.is_quantized


def read(tensor: torch.Tensor, line: Line) -> bytes:
    """Return the bytes of a line of a tensor, in row-major order."""
    return bytes(raw(part(tensor, line))[1])


def part(tensor: torch.Tensor, line: Line) -> torch.Tensor:
    """Return the elements of a line of a tensor."""
    item = tensor.element_size()
    return tensor.detach().reshape(-1)[line.start // item : line.stop // item]
