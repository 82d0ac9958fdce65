"""What ranks record of sharded tensors does not depend on how they were sharded, and asks no other rank."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.testing._internal.distributed.fake_pg import FakeStore

from veristep.core.units import PREFIX_BYTES, UNIT_BYTES
from veristep.record import shards_torch as shards
from veristep.record.state_torch import Roster, capture, restore
from veristep.record.tensors_torch import digest_units

# The process group is a fake one: whatever would talk to another rank gets nonsense.
WORLD = 2


@pytest.fixture(params=range(WORLD))
def rank(request: pytest.FixtureRequest) -> Iterator[int]:
    dist.init_process_group("fake", rank=request.param, world_size=WORLD, store=FakeStore())
    yield request.param
    dist.destroy_process_group()


def sharded(whole: torch.Tensor, rank: int, dim: int = 0) -> DTensor:
    mesh = DeviceMesh("cpu", list(range(WORLD)))
    parts = list(torch.chunk(whole, WORLD, dim))
    empty = whole.narrow(dim, 0, 0)
    part = parts[rank] if rank < len(parts) else empty
    return DTensor.from_local(
        part.clone(), mesh, [Shard(dim)], run_check=False, shape=whole.shape, stride=whole.stride()
    )


def prefixes(tensor: torch.Tensor) -> list[bytes]:
    joined = digest_units([tensor]).prefixes
    return [joined[at : at + PREFIX_BYTES] for at in range(0, len(joined), PREFIX_BYTES)]


def test_units_of_a_shard_are_those_of_the_whole_tensor(rank: int) -> None:
    # 301 rows of 1 KiB: the boundary runs through a unit, which is then two.
    whole = torch.arange(301 * 256, dtype=torch.float32).reshape(301, 256)
    of_whole, mine = prefixes(whole), prefixes(sharded(whole, rank))
    boundary = 151 * 1024 // UNIT_BYTES
    expected = of_whole[:boundary] if rank == 0 else of_whole[boundary + 1 :]
    assert (mine[:boundary] if rank == 0 else mine[1:]) == expected
    assert of_whole[boundary] not in mine
    assert len(mine) == len(expected) + 1


def test_a_copy_on_every_rank_has_the_units_of_the_plain_tensor(rank: int) -> None:
    del rank
    whole = torch.randn(100, 256)
    mesh = DeviceMesh("cpu", list(range(WORLD)))
    copied = DTensor.from_local(whole, mesh, [Replicate()], run_check=False)
    assert prefixes(copied) == prefixes(whole)


def test_equal_parts_at_different_places_differ(rank: int) -> None:
    part = prefixes(sharded(torch.zeros(64, 256), rank))
    other = prefixes(sharded(torch.zeros(64, 256), 1 - rank).to_local())
    assert not set(part) & set(other[1:])


class Model(torch.nn.Module):
    """A model as a sharding wrapper leaves it."""

    def __init__(self, rank: int, value: float) -> None:
        super().__init__()
        self.rows = torch.nn.Parameter(sharded(torch.full((301, 70), value), rank))
        self.columns = torch.nn.Parameter(sharded(torch.full((3, 70), value), rank, 1))
        self.plain = torch.nn.Parameter(torch.full((5,), value))


def trained(rank: int, value: float) -> tuple[Roster, Model, torch.optim.Optimizer]:
    model, roster = Model(rank, value), Roster()
    optimizer = torch.optim.Adam(model.parameters(), foreach=False)
    roster.module(model)
    roster.optimizer(optimizer)
    for parameter in model.parameters():
        held = shards.local(parameter.detach())
        parameter.grad = shards.like(held, parameter) if shards.is_sharded(parameter) else held.clone()
        state = {"step": torch.tensor(3.0), "exp_avg": parameter.grad.clone()}
        optimizer.state[parameter] = state
    return roster, model, optimizer


def test_each_rank_keeps_and_restores_its_own_part(rank: int) -> None:
    roster, _model, _optimizer = trained(rank, 1.5)
    saved = capture(roster)
    assert all(not shards.is_sharded(each) for each in saved["modules"][0]["parameters"].values())
    other, model, optimizer = trained(rank, -7.0)
    optimizer.state[model.rows].pop("exp_avg")
    model.columns.grad = None
    restore(other, saved)
    for parameter in model.parameters():
        for tensor in (parameter, parameter.grad, optimizer.state[parameter]["exp_avg"]):
            assert isinstance(tensor, torch.Tensor)
            assert shards.is_sharded(tensor) == shards.is_sharded(parameter)
            assert bool((shards.local(tensor.detach()) == 1.5).all())
