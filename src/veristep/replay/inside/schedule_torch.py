"""A script's own learning-rate schedulers, asked what they would set from a snapshot on."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from torch.optim import Optimizer

from veristep.core.canonical import Json
from veristep.record.assemble_torch import hyper_json
from veristep.record.state_torch import hyperparameters, impose_hyperparameters

Walk = list[list[dict[str, Json]]]
# Schedulers are stepped once an epoch, an update or a batch: how often at most for one update, as far as a
# walk goes. One that is stepped more often leaves its walk, and is then not compared.
PACE = 8


def governs(scheduler: Any, optimizer: Optimizer) -> bool:
    """Whether a scheduler sets the parameter groups of an optimizer, through a wrapper around it or not."""
    set_by_it = getattr(scheduler.optimizer, "param_groups", None)
    if not isinstance(set_by_it, list) or len(set_by_it) != len(optimizer.param_groups):
        return False
    return all(one is other for one, other in zip(set_by_it, optimizer.param_groups, strict=True))


def walk(scheduler: Any, steps: int) -> Walk:
    """Return the hyperparameters now, and after each step of a scheduler in the next `steps` updates.

    The scheduler and its optimizer are left as they were. A scheduler that wants to be told a loss, or
    fails, is walked as far as it goes.
    """
    optimizer: Optimizer = scheduler.optimizer
    groups = hyperparameters(optimizer)
    state = copy.deepcopy({key: value for key, value in vars(scheduler).items() if _is_state(value)})
    found = [hyper_json(groups)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(PACE * steps):
                scheduler.step()
                found.append(hyper_json(hyperparameters(optimizer)))
    except Exception:  # noqa: BLE001, S110 - boundary: the scheduler is the script's
        pass
    finally:
        vars(scheduler).update(state)
        impose_hyperparameters(optimizer, groups)
    return found


def set_by(schedule: Walk) -> list[tuple[int, str]]:
    """Return group and name of what a schedule sets: learning rates, and whatever else it changes."""
    first = schedule[0]
    changed = {
        (number, key)
        for groups in schedule
        for number, group in enumerate(groups)
        for key, value in group.items()
        if value != first[number].get(key)
    }
    return sorted(changed | {(number, "lr") for number in range(len(first))})


def _is_state(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str, type(None), list, tuple, dict)) and not _holds_objects(
        value
    )


def _holds_objects(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_objects(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_objects(item) for item in value)
    return not isinstance(value, (bool, int, float, str, type(None)))
