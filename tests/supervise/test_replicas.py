"""Replicas that disagree are named while the run goes on; ranks that are meant to differ are not."""

from __future__ import annotations

from typing import Any

import pytest

from veristep.core.units import PREFIX_BYTES
from veristep.core.verdicts import Finding, Severity
from veristep.supervise.replicas import MAX_WAITING, Replicas

SHAPES = [[4, 4], [4]]


class World:
    """Ranks that tell of their steps, as the records of real ones do."""

    def __init__(self, ranks: int = 4, how: str = "ddp", restart: str = "") -> None:
        self.tapes: dict[tuple[str, int], dict[str, bytes]] = {}
        self.replicas = Replicas("run", self._read)
        self.ranks = ranks
        self.restart = restart
        for rank in range(ranks):
            self.describe(rank, how)

    def describe(self, rank: int, how: str, ranks: list[int] | None = None, shapes: Any = None) -> None:
        optimizer = {
            "names": ["w", "b"],
            "shapes": shapes or SHAPES,
            "dtypes": ["float32", "float32"],
            "replicas": {"how": how, "ranks": ranks or list(range(self.ranks))},
        }
        line = {"type": "tensors", "stream": self.stream(rank), "step": 0, "optimizers": [optimizer]}
        self.replicas.hear(line)

    def stream(self, rank: int) -> str:
        return f"{rank}{self.restart}"

    def step(
        self,
        number: int,
        values: dict[int, bytes] | None = None,
        *,
        units: dict[int, int] | None = None,
        seed: int | None = None,
        grads: dict[int, str] | None = None,
        ranks: list[int] | None = None,
    ) -> list[Finding]:
        """Let ranks tell of a step; `values` are the first and second tensor's content, per rank."""
        for rank in ranks if ranks is not None else range(self.ranks):
            value = (values or {}).get(rank, b"ab")
            prefixes = b"".join(value[i : i + 1] * PREFIX_BYTES for i in range(2))
            count = (units or {}).get(rank, 2)
            self.tapes[self.stream(rank), number] = {"params": prefixes[: count * PREFIX_BYTES]}
            root = value[:count].hex() if count else ""
            self.replicas.hear(
                {
                    "type": "step",
                    "stream": self.stream(rank),
                    "step": number,
                    "optimizer": 0,
                    "params": [root, count, 2, seed],
                    "grads": [(grads or {}).get(rank, "g"), 2, 2, None],
                    "tape": [self.stream(rank), number, 1, ""],
                }
            )
        return self.replicas.findings

    def _read(self, place: tuple[str, int, int, str], field: str) -> bytes | None:
        return self.tapes[place[0], place[1]].get(field)


def test_the_rank_that_differs_is_named_at_its_step_with_its_tensor() -> None:
    world = World()
    for number in range(5):
        assert world.step(number) == []
    (finding,) = world.step(5, {2: b"aX"})
    assert (finding.rule, finding.severity, finding.rank, finding.step) == ("STEP001", Severity.ERROR, 2, 5)
    assert finding.evidence["tensors"] == ["b"]
    assert finding.evidence["agreed_until"] == 4
    assert [suspect.value for suspect in finding.suspects] == ["2"]
    # It stays different from here on; that is said once.
    assert len(world.step(6, {2: b"XX"})) == 1


def test_of_two_ranks_neither_is_accused() -> None:
    world = World(ranks=2)
    world.step(0)
    (finding,) = world.step(1, {1: b"Xb"})
    assert finding.rank is None
    assert finding.suspects == ()
    assert finding.severity is Severity.ERROR
    assert finding.evidence["tensors"] == ["w"]


def test_a_wrong_update_at_the_very_first_step_is_found_because_the_gradients_agree() -> None:
    (finding,) = World(ranks=2).step(0, {1: b"Xb"})
    assert finding.step == 0


def test_ranks_that_show_another_number_of_blocks_are_compared_by_those_they_share() -> None:
    world = World()
    assert world.step(0, units={0: 1, 1: 2, 2: 2, 3: 1}, seed=7) == []
    assert world.replicas.compared["agree"] == 1
    # The order of seed 1 over two units begins with the second.
    (finding,) = world.step(1, {3: b"Xb"}, units={0: 1, 1: 2, 2: 2, 3: 1}, seed=1)
    assert finding.rank == 3


def test_ranks_that_show_other_blocks_are_not_compared_and_that_is_counted() -> None:
    world = World(ranks=2)
    world.step(0, units={0: 0, 1: 2})
    assert world.replicas.findings == []
    assert world.replicas.compared == {}
    assert sum(world.replicas.not_compared.values()) == 1


@pytest.mark.parametrize("how", ["local", "sharded"])
def test_ranks_with_parameters_of_their_own_are_not_compared(how: str) -> None:
    world = World(how=how)
    assert world.step(0, {rank: bytes([rank, rank]) for rank in range(4)}) == []
    assert world.replicas.not_compared == {f"parameters are {how}": 1}


def test_a_model_per_rank_is_no_finding() -> None:
    world = World(how="unknown")
    for number in range(50):
        assert world.step(number, {rank: bytes([rank, number]) for rank in range(4)}) == []


def test_ranks_that_average_by_hand_now_and_then_are_no_finding() -> None:
    world = World(ranks=3)
    grads = {rank: f"g{rank}" for rank in range(3)}
    for number in range(50):
        values = {rank: bytes([rank, number]) for rank in range(3)} if number % 10 else {}
        assert (
            world.step(
                number, values if number else {rank: bytes([rank]) * 2 for rank in range(3)}, grads=grads
            )
            == []
        )


def test_replicas_nobody_declared_are_compared_once_they_proved_to_be() -> None:
    world = World(how="unknown")
    for number in range(30):
        assert world.step(number) == []
    (finding,) = world.step(30, {1: b"Xb"})
    assert (finding.rank, finding.severity) == (1, Severity.WARNING)


def test_groups_of_ranks_are_compared_among_themselves() -> None:
    world = World()
    for rank in range(4):
        world.describe(rank, "ddp", [0, 1] if rank < 2 else [2, 3])
    assert world.step(0, {2: b"cd", 3: b"cd"}) == []
    assert world.replicas.compared["agree"] == 2


def test_ranks_with_other_shapes_are_not_compared() -> None:
    world = World(ranks=2)
    world.describe(1, "ddp", shapes=[[4, 8], [4]])
    assert world.step(0, {1: b"Xb"}) == []


def test_a_rank_that_stops_early_is_waited_for_within_bounds_and_counted() -> None:
    world = World(ranks=2)
    for number in range(MAX_WAITING + 100):
        assert world.step(number, ranks=[0]) == []
    line = world.replicas.line()
    assert line is not None
    assert line["not_compared"] == {"not all ranks told of the step": MAX_WAITING}


def test_processes_started_again_are_not_compared_with_those_before() -> None:
    world = World(ranks=2)
    world.step(0)
    world.restart = ".1"
    for rank in range(2):
        world.describe(rank, "ddp")
    assert world.step(0, {0: b"cd", 1: b"cd"}) == []
