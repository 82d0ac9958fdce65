"""Comparing what a replay computed with what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from veristep.core.canonical import Json
from veristep.core.records import UnitsDigest
from veristep.core.units import PREFIX_BYTES
from veristep.record import randomness_torch as randomness
from veristep.record.assemble_torch import hyper_json
from veristep.record.state_torch import Tree, flatten, hyperparameters
from veristep.record.tensors_torch import (
    Digested,
    chosen_units,
    digest,
    digest_units,
    gradient,
    layout,
    parameter,
)

# At most this many differing tensors are named.
MAX_NAMED = 8


def digest_like(parameters: list[torch.Tensor], what: str, recorded: UnitsDigest) -> Digested:
    """Digest the same units of live parameters, or of their gradients, that a record digested."""
    if recorded.units == 0:
        return Digested([], recorded.total, recorded.seed)  # too short a step: nothing to compare
    part = gradient if what == "gradient" else parameter
    if recorded.seed is None:
        return digest_units(parameters, part)
    return digest_units(parameters, part, seed=recorded.seed, limit=recorded.units)


def differing_tensors(
    recorded: UnitsDigest,
    prefixes: bytes,
    got: Digested,
    parameters: list[torch.Tensor],
    names: Sequence[str],
) -> list[str]:
    """Return the names of the tensors whose blocks differ, first one first.

    Args:
        recorded: the recorded digest.
        prefixes: the recorded digests of its units, `PREFIX_BYTES` each.
        got: the live digest of the same units.
        parameters: the live parameters.
        names: their names, in the same order.
    """
    units = layout(parameters)
    if len(units) != recorded.total:
        return []
    differing: list[str] = []
    now = got.prefixes
    for place, number in enumerate(chosen_units(recorded)):
        span = slice(place * PREFIX_BYTES, (place + 1) * PREFIX_BYTES)
        if prefixes[span] == now[span]:
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


def is_parameter(path: str) -> bool:
    """Whether a path of a state tree is that of a parameter."""
    parts = path.split(".")
    return parts[0] == "loose" or (parts[0] == "modules" and parts[2] == "parameters")


def _was_restored(path: str, modules: int) -> bool:
    parts = path.split(".")
    return parts[0] != "modules" or int(parts[1]) < modules


def same_tensor(taped: Any, own: Any) -> bool:
    """Whether an input on the tape is the live one: a tensor, the digest of one, or where it came from."""
    if isinstance(own, torch.Tensor):
        if isinstance(taped, torch.Tensor):
            same = taped.shape == own.shape and taped.dtype == own.dtype
            # Equal values need not be equal bits: zeros have signs, and nan equals nothing.
            return same and (torch.equal(taped, own) or digest(taped) == digest(own))
        return isinstance(taped, dict) and taped.get("digest") == digest(own).hex()
    return bool(taped == own)


def shown(value: Any) -> str:
    """Return an input of a forward as evidence shows it."""
    if isinstance(value, torch.Tensor):
        return digest(value).hex()
    if isinstance(value, dict):
        return str(value.get("digest"))
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def differing_random_states(
    recorded: randomness.State, own: randomness.State
) -> list[tuple[str, str, str]]:
    """Return name, recorded and own digest of each generator whose states differ.

    A generator that only one of both has is not compared: NumPy may be imported later.
    """
    return [
        (name, randomness.digest({name: recorded[name]}), randomness.digest({name: own[name]}))
        for name in recorded
        if name in own and recorded[name] != own[name]
    ]


def differing_hyperparameter(
    recorded: Sequence[Mapping[str, Json]], optimizer: Optimizer
) -> tuple[str, str, str] | None:
    """Return recorded value, live value and name of the first hyperparameter that differs."""
    pairs = zip(recorded, hyper_json(hyperparameters(optimizer)), strict=False)
    for number, (group, own) in enumerate(pairs):
        for key, value in own.items():
            if group.get(key) != value:
                where = f"{key} of group {number}"
                return f"{where}: {group.get(key)}", f"{where}: {value}", where
    return None
