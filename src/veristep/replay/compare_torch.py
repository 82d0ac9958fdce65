"""Comparing what a replay computed with what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from veristep.core.records import UnitsDigest
from veristep.record.state_torch import Tree, flatten
from veristep.record.tensors_torch import (
    PREFIX_BYTES,
    Digested,
    chosen_units,
    digest,
    digest_units,
    layout,
)

# At most this many differing tensors are named.
MAX_NAMED = 8


def digest_like(tensors: list[Any], recorded: UnitsDigest) -> Digested:
    """Digest the same units of live tensors that a record digested."""
    if recorded.units == 0:
        return Digested(recorded, b"")  # a step too short for this digest: nothing to compare
    if recorded.seed is None:
        return digest_units(tensors)
    return digest_units(tensors, seed=recorded.seed, limit=recorded.units)


def differing_tensors(
    recorded: UnitsDigest, prefixes: bytes, got: Digested, tensors: list[Any], names: Sequence[str]
) -> list[str]:
    """Return the names of the tensors whose blocks differ, first one first.

    Args:
        recorded: the recorded digest.
        prefixes: the recorded digests of its units, `PREFIX_BYTES` each.
        got: the live digest of the same units.
        tensors: the live tensors.
        names: their names, in the same order.
    """
    units = layout(tensors)
    if len(units) != recorded.total:
        return []
    differing: list[str] = []
    for place, number in enumerate(chosen_units(recorded)):
        span = slice(place * PREFIX_BYTES, (place + 1) * PREFIX_BYTES)
        if prefixes[span] == got.prefixes[span]:
            continue
        index = units[number].tensor
        name = names[index] if index < len(names) else f"tensor {index}"
        if name not in differing:
            differing.append(name)
    order = {name: index for index, name in enumerate(names)}
    return sorted(differing, key=lambda name: order.get(name, len(order)))[:MAX_NAMED]


def differing_state(recorded: Tree, live: Tree, modules: int) -> list[tuple[str, str, str]]:
    """Return path, recorded and live digest of each tensor that differs between two states.

    Args:
        recorded: the state of the run's snapshot.
        live: the state of the replay.
        modules: how many root modules were known when the replay's state was put in place: one that only
            evaluation calls may not have been.
    """
    got = dict(flatten(live))
    differing = []
    for path, value in flatten(recorded):
        if not isinstance(value, torch.Tensor) or not _was_restored(path, modules):
            continue
        other = got.get(path)
        if not isinstance(other, torch.Tensor) or digest(value) != digest(other):
            shown = digest(other).hex() if isinstance(other, torch.Tensor) else "missing"
            differing.append((path, digest(value).hex(), shown))
    return differing


def _was_restored(path: str, modules: int) -> bool:
    parts = path.split(".")
    return parts[0] != "modules" or int(parts[1]) < modules
