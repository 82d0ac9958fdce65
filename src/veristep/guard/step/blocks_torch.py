"""Blocks of a tensor, copied while the training waits and looked at when it no longer does."""

from __future__ import annotations

from typing import Any

import torch

from veristep.record import shards_torch as shards
from veristep.record.memory import MEMORY

_local = shards.local

# What a block is until it is looked at: its bytes, or a copy where the tensor is no run of bytes in this
# process's memory.
Block = bytes | torch.Tensor


def read(tensor: torch.Tensor, first: int, count: int) -> Block:
    """Copy `count` elements, in the order of the tensor's indices; on a device, without waiting for it."""
    if tensor.is_cpu and tensor.is_contiguous():
        size = tensor.element_size()
        address = tensor.data_ptr() + first * size
        return bytes(MEMORY[address : address + count * size])
    flat = tensor.detach()
    if flat.is_contiguous():
        return flat.view(-1)[first : first + count].clone()
    return torch.take(flat, torch.arange(first, first + count, device=flat.device))


def read_state(
    state: dict[str, Any], shape: torch.Size, first: int, count: int
) -> dict[str, tuple[Any, Block]] | str:
    """Copy the elements of a parameter's state that belong to a block, and its single numbers.

    Returns:
        By key, what the value is (a dtype, or a plain value's type) and the block; or, in words, why the
        state is none that belongs to coordinates.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            held = _local(value)
            if held.shape == shape:
                found[key] = held.dtype, read(held, first, count)
            elif held.numel() == 1:
                found[key] = (held.dtype, None), read(held, 0, 1)
            else:
                return f"its state {key} has another shape than the parameter"
        elif value is None or type(value) in (int, float, bool):
            found[key] = type(value), value
        else:
            return f"its state {key} is a {type(value).__name__}"
    return found


def values(dtype: torch.dtype, block: Block) -> torch.Tensor:
    """Return a block's elements; waits for a device that has yet to copy them."""
    if isinstance(block, torch.Tensor):
        return block.cpu()
    return torch.frombuffer(bytearray(block), dtype=dtype)


def state_values(state: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Return a copied state as an optimizer holds it."""
    found: dict[str, Any] = {}
    for key, (kind, block) in state.items():
        if isinstance(kind, torch.dtype):
            found[key] = values(kind, block)
        elif isinstance(kind, tuple):
            found[key] = values(kind[0], block).reshape(())
        else:
            found[key] = block
    return found
