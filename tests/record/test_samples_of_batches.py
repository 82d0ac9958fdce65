"""Every batch of a map-style data set is tied to the samples it was drawn from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset
from torch.utils.data import dataloader as loaders

from veristep.record import samples_torch
from veristep.record.samples_torch import of_batch, packed
from veristep.replay.seen import unpacked

INT64 = st.integers(-(2**63), 2**63 - 1)


class Numbers(Dataset[Any]):
    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> int:
        return index * 10


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[int]:
        return iter(range(20))


@pytest.fixture
def wrapped() -> Iterator[None]:
    base: Any = loaders._BaseDataLoaderIter
    before = base._next_index, base._reset
    samples_torch.install()
    yield
    base._next_index, base._reset = before


@pytest.mark.usefixtures("wrapped")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_comes_with_the_indices_it_was_drawn_by(workers: int) -> None:
    loader = DataLoader(Numbers(), batch_size=3, shuffle=True, num_workers=workers)
    iterator = iter(loader)
    for batch in iterator:
        assert [10 * index for index in of_batch(iterator)] == batch.tolist()


@pytest.mark.usefixtures("wrapped")
def test_an_epoch_that_is_left_early_shifts_nothing_in_the_next() -> None:
    loader = DataLoader(Numbers(), batch_size=3, shuffle=True, num_workers=2, persistent_workers=True)
    for _ in range(3):
        iterator: Any = iter(loader)
        for _ in range(2):
            batch = next(iterator)
            assert [10 * index for index in of_batch(iterator)] == batch.tolist()


@pytest.mark.usefixtures("wrapped")
def test_what_is_not_known_is_not_claimed() -> None:
    iterated: Any = iter(DataLoader(Stream(), batch_size=3))
    next(iterated)
    assert of_batch(iterated) is None
    unordered: Any = iter(DataLoader(Numbers(), batch_size=3, num_workers=1, in_order=False))
    next(unordered)
    assert of_batch(unordered) is None


@pytest.mark.usefixtures("wrapped")
def test_a_list_that_a_sampler_uses_again_is_copied() -> None:
    def sampler() -> Iterator[list[int]]:
        batch = [0, 0]
        for start in range(4):
            batch[:] = [start, start + 1]
            yield batch

    class Again:
        def __iter__(self) -> Iterator[list[int]]:
            return sampler()

    loader: Any = DataLoader(Numbers(), batch_sampler=Again())
    iterator = iter(loader)
    drawn = []
    with contextlib.suppress(StopIteration):
        while True:
            next(iterator)
            drawn.append(of_batch(iterator))
    assert drawn == [[0, 1], [1, 2], [2, 3], [3, 4]]


@given(st.lists(st.tuples(INT64, INT64, st.lists(INT64, max_size=6)), max_size=6))
def test_what_is_packed_comes_out_again(batches: list[tuple[int, int, list[int]]]) -> None:
    expected = [(slot, index, frozenset(samples)) for slot, index, samples in batches]
    assert list(unpacked(packed(batches))) == expected


def test_keys_that_are_no_numbers_and_single_samples() -> None:
    data = packed([(0, 0, ["a", "b"]), (0, 1, 7), (0, 2, torch.tensor(5)), (0, 3, None)])
    assert list(unpacked(data)) == [(0, 1, frozenset({7})), (0, 2, frozenset({5}))]


@given(st.binary(max_size=80))
def test_damaged_bytes_are_an_error_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        list(unpacked(data))
