"""Where a step's batches and learning rates come from: loaders and schedulers, as torch makes them.

Looked at where an epoch begins and where a snapshot is taken; a step costs nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import dataloader

from veristep.record.state_torch import Roster, Tree

# Samplers wrap samplers; deeper than this none was seen.
_DEPTH = 4
# A scheduler's state is a handful of numbers per parameter group.
_MAX_ITEMS = 2000
_PLAIN = (bool, int, float, str, type(None))


class Follower(Protocol):
    """Who is told; errors are its own business."""

    def loader_begins(self, loader: Any) -> None:
        """A loader is about to begin an epoch."""

    def scheduler_built(self, scheduler: Any) -> None:
        """A learning-rate scheduler comes to exist."""


def install(follower: Follower) -> None:
    """Wrap what makes loaders' iterators and schedulers; called once per process."""
    _wrap_loader(follower.loader_begins)
    _wrap_scheduler(follower.scheduler_built)


def _wrap_loader(begins: Callable[[Any], None]) -> None:
    original = dataloader.DataLoader.__iter__

    @functools.wraps(original)
    def __iter__(self: Any) -> Any:  # noqa: N807 - it takes the place of the method of that name
        begins(self)
        return original(self)

    dataloader.DataLoader.__iter__ = __iter__  # type: ignore[method-assign]


def _wrap_scheduler(built: Callable[[Any], None]) -> None:
    # Some schedulers do not call the `__init__` of their base class; all come through here.
    def __new__(cls: type, *_args: Any, **_kwargs: Any) -> Any:  # noqa: N807 - as above
        scheduler: Any = object.__new__(cls)
        built(scheduler)
        return scheduler

    LRScheduler.__new__ = staticmethod(__new__)  # type: ignore[method-assign]


# -- schedulers -------------------------------------------------------------------------------------


def capture_schedulers(roster: Roster) -> list[Any]:
    """Return what each scheduler's state holds in plain values; None where it is gone or tells nothing."""
    return [_scheduler_state(scheduler) for scheduler in roster.schedulers()]


def restore_schedulers(roster: Roster, saved: list[Any]) -> list[Any]:
    """Put captured states in place; return the schedulers that have one now."""
    restored = []
    for scheduler, state in zip(roster.schedulers(), saved, strict=False):
        if scheduler is None or not isinstance(state, dict):
            continue
        scheduler.load_state_dict(_like(scheduler.state_dict(), state))
        restored.append(scheduler)
    return restored


def _scheduler_state(scheduler: Any) -> Any:
    if scheduler is None:
        return None
    try:
        return _plain_tree(scheduler.state_dict())
    except Exception:  # noqa: BLE001 - boundary: a scheduler of the script's own may not be ready
        return None


def _plain_tree(value: Any) -> Any:
    """Return the plain part of a value; what has none is left out of mappings, and None in lists."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.item()
    if isinstance(value, dict) and len(value) <= _MAX_ITEMS:
        return {key: _plain_tree(item) for key, item in value.items() if _has_plain_form(item)}
    if isinstance(value, (list, tuple)) and len(value) <= _MAX_ITEMS:
        return [_plain_tree(item) for item in value]
    return value if isinstance(value, _PLAIN) else None


def _has_plain_form(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return value.numel() == 1
    return isinstance(value, (*_PLAIN, dict, list, tuple))


def _like(live: Any, saved: Any) -> Any:
    """Return `saved` in the types of `live`, keeping of `live` what `saved` could not hold."""
    if isinstance(live, torch.Tensor):
        plain = isinstance(saved, (bool, int, float)) and live.numel() == 1
        return torch.full_like(live, saved) if plain else live
    if isinstance(live, dict) and isinstance(saved, dict):
        merged = {key: _like(item, saved[key]) if key in saved else item for key, item in live.items()}
        merged.update({key: item for key, item in saved.items() if key not in live})
        return type(live)(merged)
    if isinstance(live, (list, tuple)) and isinstance(saved, list) and len(live) == len(saved):
        return type(live)(_like(one, other) for one, other in zip(live, saved, strict=True))
    if isinstance(live, _PLAIN) and isinstance(saved, _PLAIN):
        return saved
    return live


# -- loaders ----------------------------------------------------------------------------------------


def capture_order(loader: Any) -> Tree:
    """Return what decides a loader's order beside the global random states.

    That is: the plain attributes and the generators of its samplers, by the way that leads to them.
    """
    found: Tree = {}
    for path, sampler in _samplers(loader):
        attributes = {name: value for name, value in vars(sampler).items() if isinstance(value, _PLAIN)}
        found[path] = {"attributes": attributes, "generators": _generator_states(sampler)}
    return found


def impose_order(loader: Any, saved: Tree) -> None:
    """Put a captured order in place."""
    for path, sampler in _samplers(loader):
        state = saved.get(path)
        if state is None:
            continue
        for name, value in state["attributes"].items():
            if name in vars(sampler):
                setattr(sampler, name, value)
        for name, words in state["generators"].items():
            generator = getattr(sampler, name, None)
            if isinstance(generator, torch.Generator):
                generator.set_state(torch.frombuffer(bytearray(words), dtype=torch.uint8))


def _generator_states(sampler: Any) -> dict[str, bytes]:
    return {
        name: value.get_state().numpy().tobytes()
        for name, value in vars(sampler).items()
        if isinstance(value, torch.Generator)
    }


def _samplers(loader: Any) -> Iterator[tuple[str, Any]]:
    """Yield the loader itself, for its generator, and every sampler behind it."""
    seen: set[int] = set()
    waiting = [("sampler", getattr(loader, "sampler", None), 1)]
    waiting.append(("batch_sampler", getattr(loader, "batch_sampler", None), 1))
    while waiting:
        path, sampler, depth = waiting.pop(0)
        if sampler is None or id(sampler) in seen or not hasattr(sampler, "__dict__"):
            continue
        seen.add(id(sampler))
        yield path, sampler
        if depth < _DEPTH:
            for name in ("sampler", "batch_sampler"):
                inner = vars(sampler).get(name)
                waiting.append((f"{path}.{name}", inner, depth + 1))
    generator = getattr(loader, "generator", None)
    if isinstance(generator, torch.Generator):
        yield "loader", _Generated(generator)


class _Generated:
    """Shows a loader's generator as if it were a sampler's."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
