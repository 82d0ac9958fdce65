"""What an optimizer's parameters are to the other ranks: copies, shards, or nobody's business.

Read where the recorder describes what stands behind its digests: once, and whenever that changes. Only
what torch has noted is read; no collective is issued, which would stall a rank that does not expect it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from veristep.core.canonical import Json

# How the ranks hold the parameters of an optimizer.
DDP, LOCAL, SHARDED, UNKNOWN = "ddp", "local", "sharded", "unknown"
# Communication hooks that leave every rank with gradients of its own.
_LOCAL_HOOKS = ("post_localSGD",)


def describe(modules: list[nn.Module | None], optimizer: Optimizer) -> dict[str, Json] | None:
    """Return how other ranks hold an optimizer's parameters; None when there are no other ranks.

    The answer holds `how`: ``ddp`` when `DistributedDataParallel` keeps all of them alike, ``local`` when
    it was told to let them drift, ``sharded`` when some are `DTensor`, else ``unknown``; and `ranks`, those
    that hold the same parameters, as numbers in the whole world.
    """
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    world = torch.distributed.get_world_size()
    if world < 2:
        return None
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if any(hasattr(parameter, "placements") for parameter in parameters):
        return {"how": SHARDED, "ranks": list(range(world))}
    wrapped = [ddp for ddp in _wrappers(modules) if _keeps_alike(ddp, parameters)]
    held = {id(parameter) for ddp in wrapped for parameter in _replicated(ddp)}
    ranks = {tuple(_ranks(ddp)) for ddp in wrapped}
    if len(ranks) != 1 or not all(id(parameter) in held for parameter in parameters):
        return {"how": UNKNOWN, "ranks": list(range(world))}
    hooks = sorted({name for ddp in wrapped for name in _hooks(ddp)})
    local = any(name.startswith(_LOCAL_HOOKS) for name in hooks)
    found: dict[str, Json] = {"how": LOCAL if local else DDP, "ranks": list(ranks.pop())}
    return found | ({"hooks": hooks} if hooks else {})


def _wrappers(modules: list[nn.Module | None]) -> list[Any]:
    kind = nn.parallel.DistributedDataParallel
    found = {
        id(each): each
        for root in modules
        if root is not None
        for each in root.modules()
        if isinstance(each, kind)
    }
    return list(found.values())


def _keeps_alike(ddp: Any, parameters: list[torch.Tensor]) -> bool:
    mine = {id(parameter) for parameter in parameters}
    return any(id(parameter) in mine for parameter in _replicated(ddp))


def _replicated(ddp: Any) -> list[torch.Tensor]:
    ignored = set(getattr(ddp, "parameters_to_ignore", ()))
    return [parameter for name, parameter in ddp.module.named_parameters() if name not in ignored]


def _ranks(ddp: Any) -> list[int]:
    return list(torch.distributed.get_process_group_ranks(ddp.process_group))


def _hooks(ddp: Any) -> list[str]:
    return [
        str(getattr(hook, "__name__", type(hook).__name__)) for hook, _ in getattr(ddp, "_comm_hooks", ())
    ]
