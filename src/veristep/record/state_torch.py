"""Everything a training process needs to resume bit-exactly at a step boundary.

The state is found, not declared: root modules as they are called, optimizers as they step, gradient
scalers as they are built. It is held as a tree of plain values and tensors (see `record.pack`)::

    modules     per root module, in order of first call: parameters and all buffers, by name
    loose       parameters an optimizer holds and no root module does
    grads       what is left in ``.grad``, by optimizer, group and place
    optimizers  per optimizer, in order of first use: hyperparameters and state
    scalers     per gradient scaler
    shards      per path of a tensor of which this rank holds a part: sizes of the whole, and its place

Of a sharded tensor (FSDP2, `DTensor`) each rank holds, and restores, its own part.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from operator import is_
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from veristep.errors import MalformedError
from veristep.record import replicas_torch as replicas
from veristep.record import shards_torch as shards

Tree = dict[str, Any]
# Wrappers put these in front of the names a script's author knows.
_WRAPPERS = ("module.", "_orig_mod.")
_NO_HYPERPARAMETERS = ("params", "param_names")
# Most hyperparameters are of these types; telling so takes no call.
_PLAIN_TYPES = frozenset({int, float, bool, str, tuple, type(None)})


class Roster:
    """The modules, optimizers and scalers of this process, in the order they were first used.

    Holds weak references only: what the script drops is dropped.
    """

    def __init__(self) -> None:
        self._modules: list[weakref.ref[nn.Module]] = []
        self._optimizers: list[weakref.ref[Optimizer]] = []
        self._scalers: list[weakref.ref[Any]] = []
        self._schedulers: list[weakref.ref[Any]] = []
        self._known: dict[int, int] = {}

    def module(self, module: nn.Module) -> int:
        """Return the number of a root module, giving it one when it is new."""
        return self._number(self._modules, module)

    def optimizer(self, optimizer: Optimizer) -> int:
        """Return the number of an optimizer, giving it one when it is new."""
        # Speed: most scripts have one.
        known = self._optimizers
        return 0 if known and known[0]() is optimizer else self._number(known, optimizer)

    def scaler(self, scaler: Any) -> int:
        """Return the number of a gradient scaler, giving it one when it is new."""
        return self._number(self._scalers, scaler)

    def scheduler(self, scheduler: Any) -> int:
        """Return the number of a learning-rate scheduler, giving it one when it is new."""
        return self._number(self._schedulers, scheduler)

    def modules(self) -> list[nn.Module | None]:
        """Return the root modules; None where one is gone."""
        return [reference() for reference in self._modules]

    def optimizers(self) -> list[Optimizer | None]:
        """Return the optimizers; None where one is gone."""
        return [reference() for reference in self._optimizers]

    def scalers(self) -> list[Any]:
        """Return the gradient scalers; None where one is gone."""
        return [reference() for reference in self._scalers]

    def schedulers(self) -> list[Any]:
        """Return the learning-rate schedulers; None where one is gone."""
        return [reference() for reference in self._schedulers]

    def parameters(self) -> list[torch.Tensor]:
        """Return the parameters of all optimizers, each once, in order."""
        living = [optimizer for optimizer in self.optimizers() if optimizer is not None]
        if len(living) == 1:
            return parameters_of(living[0])
        seen: dict[int, torch.Tensor] = {}
        for optimizer in living:
            for parameter in parameters_of(optimizer):
                seen.setdefault(id(parameter), parameter)
        return list(seen.values())

    def names(self) -> dict[int, str]:
        """Return a readable name for each parameter, by ``id``.

        The name is the one in its root module; with several root modules it is led by the module's
        class. A parameter no root module holds is named after its place in its optimizer.
        """
        names: dict[int, str] = {}
        for index, optimizer in enumerate(self.optimizers()):
            if optimizer is not None:
                for place, parameter in _places(optimizer):
                    names[id(parameter)] = f"optimizer{index}.{place}"
        modules = [module for module in self.modules() if module is not None]
        holding = [module for module in modules if next(module.parameters(), None) is not None]
        for module in reversed(holding):
            lead = f"{type(unwrapped(module)).__name__}." if len(holding) > 1 else ""
            for name, parameter in module.named_parameters():
                names[id(parameter)] = lead + _plain(name)
        return names

    def shape(self) -> list[int]:
        """Return numbers that change when modules or parameters are added, frozen or unfrozen."""
        found = [len(self._modules)]
        for reference in self._optimizers:
            optimizer = reference()
            if optimizer is not None:
                groups = optimizer.param_groups
                found.append(len(groups))
                found += [parameter.requires_grad for group in groups for parameter in group["params"]]
        return found

    def describe(self) -> dict[str, Any]:
        """Return what stands behind the digests: names and keys of all optimizers' parameters.

        A key, ``0:features.weight``, finds the parameter again: number of the root module, and name.
        """
        names, keys, modules = self.names(), self._keys(), self.modules()
        optimizers: list[Any] = []
        for optimizer in self.optimizers():
            parameters = [] if optimizer is None else parameters_of(optimizer)
            groups = [] if optimizer is None else optimizer.param_groups
            optimizers.append(
                {
                    "groups": [len(group["params"]) for group in groups],
                    "names": [names.get(id(parameter), "?") for parameter in parameters],
                    "keys": [keys.get(id(parameter), "") for parameter in parameters],
                    "shapes": [list(parameter.shape) for parameter in parameters],
                    "dtypes": [str(parameter.dtype).removeprefix("torch.") for parameter in parameters],
                    "replicas": None if optimizer is None else replicas.describe(modules, optimizer),
                }
            )
        entry = [names.get(id(parameter), "?") for parameter in self.parameters()]
        frozen = [
            f"{number}:{name}"
            for number, module in enumerate(self.modules())
            if module is not None
            for name, parameter in module.named_parameters()
            if not parameter.requires_grad
        ]
        return {"optimizers": optimizers, "entry": entry, "frozen": frozen}

    def conform(self, description: dict[str, Any]) -> None:
        """Freeze, unfreeze and add parameters as described.

        A script that unfreezes layers at some epoch does so by its own count of steps, which in a
        replay is another one.

        Raises:
            MalformedError: a described parameter is not there.
        """
        frozen = set(description["frozen"])
        found: dict[str, torch.Tensor] = {}
        for number, module in enumerate(self.modules()):
            if module is not None:
                for name, parameter in module.named_parameters():
                    found[f"{number}:{name}"] = parameter
                    parameter.requires_grad_(f"{number}:{name}" not in frozen)
        for optimizer, wanted in zip(self.optimizers(), description["optimizers"], strict=False):
            if optimizer is not None:
                _add_groups(optimizer, wanted, found)

    def _keys(self) -> dict[int, str]:
        keys: dict[int, str] = {}
        for number, module in enumerate(self.modules()):
            if module is not None:
                for name, parameter in module.named_parameters():
                    keys.setdefault(id(parameter), f"{number}:{name}")
        return keys

    def _number(self, known: list[weakref.ref[Any]], value: Any) -> int:
        number = self._known.get(id(value))
        if number is not None and number < len(known) and known[number]() is value:
            return number
        number = next((n for n, ref in enumerate(known) if ref() is value), None)
        if number is None:
            number = len(known)
            known.append(weakref.ref(value))
        self._known[id(value)] = number
        return number


def _add_groups(optimizer: Optimizer, wanted: dict[str, Any], found: dict[str, torch.Tensor]) -> None:
    have, place = len(optimizer.param_groups), 0
    for number, size in enumerate(wanted["groups"]):
        keys = wanted["keys"][place : place + size]
        place += size
        if number < have:
            continue
        missing = [key for key in keys if key not in found]
        if missing:
            raise MalformedError(f"parameter {missing[0]!r} of a later group is not in the replay")
        optimizer.add_param_group({"params": [found[key] for key in keys]})


def parameters_of(optimizer: Optimizer) -> list[torch.Tensor]:
    """Return an optimizer's parameters, group by group; not to be changed."""
    groups = optimizer.param_groups
    if len(groups) == 1:
        only: list[torch.Tensor] = groups[0]["params"]
        return only
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


class Hyperparameters:
    """The hyperparameters of one optimizer, read anew only when a value is another object."""

    def __init__(self) -> None:
        self._seen: list[Any] = []
        self._read: list[dict[str, Any]] = []

    def of(self, optimizer: Optimizer) -> list[dict[str, Any]]:
        """Return what `hyperparameters` returns; not to be changed."""
        seen: list[Any] = []
        for group in optimizer.param_groups:
            seen += group.values()
        if len(seen) != len(self._seen) or not all(map(is_, seen, self._seen)):
            self._read = hyperparameters(optimizer)
            # A tensor can change and stay the same object: with one among them all are read every time.
            self._seen = [] if any(isinstance(value, torch.Tensor) for value in seen) else seen
        return self._read


def hyperparameters(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Return the hyperparameters of each group: everything in it but the parameters."""
    return [
        {
            key: value if type(value) in _PLAIN_TYPES else _scalar(value)
            for key, value in group.items()
            if key not in _NO_HYPERPARAMETERS
        }
        for group in optimizer.param_groups
    ]


def impose_hyperparameters(optimizer: Optimizer, groups: list[dict[str, Any]]) -> None:
    """Set hyperparameters as recorded; values a pack could not hold keep what the script set.

    Raises:
        MalformedError: the optimizer has another number of groups.
    """
    if len(groups) != len(optimizer.param_groups):
        raise MalformedError(
            f"optimizer has {len(optimizer.param_groups)} parameter groups, record has {len(groups)}"
        )
    for group, recorded in zip(optimizer.param_groups, groups, strict=True):
        for key, value in recorded.items():
            live = group.get(key)
            if isinstance(live, torch.Tensor):
                live.fill_(value)
            elif isinstance(live, float) and isinstance(value, str):
                group[key] = float(value)  # nan and infinities have no number in JSON
            elif isinstance(live, tuple) and isinstance(value, list):
                group[key] = tuple(value)
            elif _plain_value(live) and _plain_value(value):
                group[key] = value


def capture(roster: Roster) -> Tree:
    """Return the state now, sharing memory with the live tensors."""
    held: set[int] = set()
    modules: list[Tree | None] = []
    for module in roster.modules():
        if module is None:
            modules.append(None)
            continue
        modules.append(
            {
                "parameters": _fresh(module.named_parameters(), held),
                "buffers": _fresh(module.named_buffers(), held),
            }
        )
    loose: Tree = {}
    grads: Tree = {}
    optimizers: list[Tree | None] = []
    for index, optimizer in enumerate(roster.optimizers()):
        if optimizer is None:
            optimizers.append(None)
            continue
        for place, parameter in _places(optimizer):
            if id(parameter) not in held:
                loose[f"{index}.{place}"] = parameter
            if parameter.grad is not None and parameter.grad.layout is torch.strided:
                grads[f"{index}.{place}"] = parameter.grad
        optimizers.append({"groups": hyperparameters(optimizer), "state": _optimizer_state(optimizer)})
    scalers = [None if scaler is None else scaler.state_dict() for scaler in roster.scalers()]
    tree = {
        "modules": modules,
        "loose": loose,
        "grads": grads,
        "optimizers": optimizers,
        "scalers": scalers,
    }
    sharded = {path: leaf for path, leaf in flatten(tree) if shards.is_sharded(leaf)}
    if not sharded:
        return tree | {"shards": {}}
    places = {path: shards.place(leaf) for path, leaf in sharded.items()}
    described = {path: [each.shape, each.offset] for path, each in places.items() if each is not None}
    parts: Tree = _locals(tree)
    return parts | {"shards": described}


def _locals(value: Any) -> Any:
    """Return a state with what this rank holds in place of each tensor that is sharded."""
    if isinstance(value, torch.Tensor):
        return shards.local(value)
    if isinstance(value, dict):
        return {key: _locals(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_locals(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


@torch.no_grad()
def restore(roster: Roster, tree: Tree) -> None:
    """Put a captured state in place, tensor by tensor, so that every reference to them holds.

    Raises:
        MalformedError: the live modules or optimizers have another shape than the recorded ones.
    """
    for index, (module, saved) in enumerate(_pairs(roster.modules(), tree["modules"])):
        _copy_all(dict(module.named_parameters()), saved["parameters"], f"module {index}")
        _copy_all(dict(module.named_buffers()), saved["buffers"], f"module {index}")
    for index, (optimizer, saved) in enumerate(_pairs(roster.optimizers(), tree["optimizers"])):
        for place, parameter in _places(optimizer):
            key = f"{index}.{place}"
            if key in tree["loose"]:
                _copy(parameter, tree["loose"][key], key)
            _restore_grad(parameter, tree["grads"].get(key))
        impose_hyperparameters(optimizer, saved["groups"])
        _restore_optimizer_state(optimizer, saved["state"])
    for scaler, saved in zip(roster.scalers(), tree["scalers"], strict=False):
        if scaler is not None and saved:
            scaler.load_state_dict(saved)


def flatten(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a state tree with its path, for comparing two of them."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from flatten(value, f"{path}.{key}" if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for index, value in enumerate(tree):
            yield from flatten(value, f"{path}.{index}")
    else:
        yield path, tree


def _fresh(named: Iterator[tuple[str, torch.Tensor]], held: set[int]) -> Tree:
    """Return the tensors not held yet, so that one shared by two root modules is kept once."""
    fresh: Tree = {}
    for name, tensor in named:
        if id(tensor) not in held:
            held.add(id(tensor))
            fresh[name] = tensor
    return fresh


def _optimizer_state(optimizer: Optimizer) -> list[Any]:
    places = {id(parameter): place for place, parameter in _places(optimizer)}
    entries: list[Any] = []
    state: dict[Any, Any] = optimizer.state
    for key, value in state.items():
        if isinstance(key, torch.Tensor):
            entries.append([places.get(id(key), "gone"), _value(value)])
        else:
            entries.append([f"key:{key}", _value(value)])
    return entries


def _restore_optimizer_state(optimizer: Optimizer, entries: list[Any]) -> None:
    by_place = dict(_places(optimizer))
    # Most optimizers keep their state by parameter; some keep some of it under names of their own.
    state: dict[Any, Any] = optimizer.state
    known = {f"key:{key}": key for key in state if not isinstance(key, torch.Tensor)}
    recorded: set[Any] = set()
    for place, saved in entries:
        key = by_place.get(place) if not place.startswith("key:") else known.get(place, place[4:])
        if key is None:
            continue
        recorded.add(key)
        live = optimizer.state[key]
        optimizer.state[key] = _merge(live, saved, key)
    for key in [key for key in optimizer.state if key not in recorded]:
        del optimizer.state[key]


def _merge(live: Any, saved: Any, parameter: Any = None) -> Any:
    """Return `saved`, reusing the memory of `live` wherever a tensor of the same kind stands.

    A part of a sharded `parameter`'s state that has no tensor yet is sharded as the parameter is.
    """
    if isinstance(saved, torch.Tensor):
        held = shards.local(live) if isinstance(live, torch.Tensor) else None
        if (
            held is not None
            and held.shape == saved.shape
            and held.dtype == saved.dtype
            and held.layout is torch.strided
        ):
            held.copy_(saved)
            return live
        if shards.is_sharded(parameter) and shards.local(parameter).shape == saved.shape and saved.dim():
            return shards.like(saved, parameter)
        return saved.clone()
    if isinstance(saved, dict):
        source = live if isinstance(live, dict) else {}
        return {key: _merge(source.get(key), value, parameter) for key, value in saved.items()}
    if isinstance(saved, list):
        return [_merge(None, value, parameter) for value in saved]
    if isinstance(saved, tuple):
        return tuple(_merge(None, value, parameter) for value in saved)
    return saved


def _value(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_value(item) for item in value)
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.item()
    return value


def _plain_value(value: Any) -> bool:
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return all(_plain_value(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _pairs(live: list[Any], saved: list[Any]) -> Iterator[tuple[Any, Any]]:
    # A module that only evaluation calls may not have been called yet; training does not need it.
    for one, other in zip(live, saved, strict=False):
        if one is not None and other is not None:
            yield one, other


def _copy_all(live: dict[str, torch.Tensor], saved: Tree, what: str) -> None:
    for name, value in saved.items():
        if name not in live:
            raise MalformedError(f"{what} has no tensor {name!r} in the replay")
        if isinstance(value, torch.Tensor):
            _copy(live[name], value, f"{what} {name}")


def _copy(live: torch.Tensor, saved: torch.Tensor, what: str) -> None:
    live = shards.local(live)
    if live.shape != saved.shape or live.dtype != saved.dtype:
        raise MalformedError(
            f"{what} is {live.dtype} {tuple(live.shape)} in the replay, "
            f"{saved.dtype} {tuple(saved.shape)} on record"
        )
    live.data.copy_(saved)


def _restore_grad(parameter: torch.Tensor, saved: torch.Tensor | None) -> None:
    if saved is None:
        parameter.grad = None
    elif parameter.grad is not None and shards.local(parameter.grad).shape == saved.shape:
        shards.local(parameter.grad).copy_(saved)
    elif shards.is_sharded(parameter):
        parameter.grad = shards.like(saved, parameter)
    else:
        parameter.grad = saved.clone()


def _places(optimizer: Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    for number, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            yield f"group{number}.param{index}", parameter


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside DDP, a compiled module, and the like."""
    for attribute in ("_orig_mod", "module"):
        inner = module._modules.get(attribute)
        if inner is not None:
            return unwrapped(inner)
    return module


def _plain(name: str) -> str:
    for wrapper in _WRAPPERS:
        while name.startswith(wrapper):
            name = name.removeprefix(wrapper)
    return name
