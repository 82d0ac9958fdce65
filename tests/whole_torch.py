"""The whole tensors of a sharded training, put together from what each rank's snapshot holds.

Their digests do not depend on how many ranks there were or how the tensors were cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from veristep.errors import MalformedError
from veristep.record.state_torch import Tree, flatten
from veristep.record.tensors_torch import digest

_Place = tuple[tuple[int, ...], tuple[int, ...]]


def whole_digests(trees: Sequence[Tree]) -> dict[str, str]:
    """Return the `blake3:tensor-v1` digest of each tensor of a state, by its path.

    Args:
        trees: the snapshots of all ranks at one step.

    Raises:
        MalformedError: the ranks' parts do not make up a whole tensor.
    """
    places = [_places(tree) for tree in trees]
    states = [
        dict(flatten({key: value for key, value in tree.items() if key != "shards"})) for tree in trees
    ]
    found = {}
    for path, value in states[0].items():
        if not isinstance(value, torch.Tensor):
            continue
        whole = value
        if path in places[0]:
            parts = [(state[path], each[path]) for state, each in zip(states, places, strict=True)]
            whole = _joined(path, parts)
        found[path] = digest(whole).hex()
    return found


def _joined(path: str, parts: Sequence[tuple[torch.Tensor, _Place]]) -> torch.Tensor:
    shape = parts[0][1][0]
    whole = torch.empty(shape, dtype=parts[0][0].dtype)
    covered = torch.zeros(shape, dtype=torch.bool)
    for part, (its_shape, offset) in parts:
        if its_shape != shape or part.dtype != whole.dtype:
            raise MalformedError(f"{path}: the ranks hold parts of different tensors")
        span = tuple(slice(at, at + size) for at, size in zip(offset, part.shape, strict=True))
        whole[span] = part
        covered[span] = True
    if int(covered.sum()) != math.prod(shape):
        raise MalformedError(f"{path}: the ranks' parts leave some of it out")
    return whole


def _places(tree: Tree) -> Mapping[str, _Place]:
    described: Mapping[str, Any] = tree.get("shards", {})
    return {path: (tuple(shape), tuple(offset)) for path, (shape, offset) in described.items()}
