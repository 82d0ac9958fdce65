"""Random states are read anew whenever they have moved: a stale one would spoil an honest run's replay."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from veristep.record import randomness_torch as randomness
from veristep.record import twister_torch as twister
from veristep.record.memory import MEMORY

OLDER = torch.get_rng_state()
MOVES: dict[str, Callable[[], object]] = {
    "one draw": lambda: torch.rand(1),
    "a deviate of two": lambda: torch.randn(1),
    "the other deviate": lambda: torch.randn(1),
    "many draws": lambda: torch.rand(5000),
    "the same seed": lambda: torch.manual_seed(1),
    "dropout": lambda: torch.nn.functional.dropout(torch.ones(3)),
    "a permutation": lambda: torch.randperm(3),
    "an older state": lambda: torch.set_rng_state(OLDER),
    "exponential": lambda: torch.empty(1).exponential_(),
    "log normal": lambda: torch.empty(1).log_normal_(),
    "geometric": lambda: torch.empty(1).geometric_(0.5),
}


@pytest.mark.parametrize("move", list(MOVES))
def test_a_captured_state_is_the_one_torch_reports(move: str) -> None:
    torch.manual_seed(1)
    torch.randn(1)
    randomness.capture()
    for _ in range(3):
        MOVES[move]()
        state = randomness.capture()
        assert state["torch"] == bytes(torch.get_rng_state().numpy())
        version, words, gauss = random.getstate()
        assert state["python"] == [version, randomness._WORDS.pack(*words), gauss]


def test_what_has_not_moved_is_the_same_object() -> None:
    first, second = randomness.capture(), randomness.capture()
    assert all(first[name] is second[name] for name in ("torch", "python", "numpy"))


def test_the_memory_of_a_generator_is_found_and_shows_a_kept_deviate() -> None:
    generator = torch.Generator()
    start, size = twister.place(generator)
    assert size, "not found in this version of torch: captures are slower"
    torch.randn(1, generator=generator, dtype=torch.float64)
    before = bytes(MEMORY[start : start + size])
    torch.randn(1, generator=generator, dtype=torch.float64)
    assert bytes(MEMORY[start : start + size]) != before


def test_a_layout_that_is_not_the_known_one_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twister, "_words_at", lambda _memory, _generator: None)
    assert twister.place(torch.Generator()) == (0, 0)
    monkeypatch.undo()
    # Looking at too little: the deviate that is kept would not show.
    monkeypatch.setattr(twister, "_BYTES", twister._BEFORE.size + twister._WORDS.size)
    assert twister.place(torch.Generator()) == (0, 0)
