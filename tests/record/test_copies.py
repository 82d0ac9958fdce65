"""What a step keeps of a tensor is what it held then, whatever becomes of the tensor afterwards."""

from __future__ import annotations

import pytest
import torch

from veristep.record.copies_torch import MAPPED_BYTES, THREADED_BYTES, Copies, size_of
from veristep.record.pack import Part
from veristep.record.tensors_torch import digest, from_part

DTYPES = (torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64)
SIZES = (0, 1, 3, MAPPED_BYTES // 4, MAPPED_BYTES, THREADED_BYTES + 5)


def made(dtype: torch.dtype, size: int) -> torch.Tensor:
    return (torch.arange(size) % 7).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_a_copy_has_the_digest_of_its_tensor(dtype: torch.dtype, size: int) -> None:
    tensor = made(dtype, size)
    copy = Copies().copy(tensor)
    expected = digest(tensor)
    tensor.zero_()
    assert (copy.digest() if isinstance(copy, Part) else digest(copy)) == expected
    if isinstance(copy, Part):
        assert torch.equal(from_part(copy), made(dtype, size))


def test_a_strided_a_conjugated_and_a_negated_tensor_are_copied_by_value() -> None:
    base = torch.tensor([1 + 2j, 3 + 4j])
    for tensor in (
        torch.arange(6).view(2, 3).t(),
        base.conj(),
        base[:1].conj().imag,
        base[:1].conj().imag.data,
    ):
        copy = Copies().copy(tensor)
        value = from_part(copy) if isinstance(copy, Part) else copy
        assert torch.equal(value, tensor)


@pytest.mark.parametrize("size", [MAPPED_BYTES // 4, THREADED_BYTES])
def test_memory_that_was_taken_back_is_used_again(size: int) -> None:
    copies = Copies()
    first = copies.copy(torch.zeros(size))
    assert isinstance(first, Part)
    copies.take_back(first)
    second, third = copies.copy(torch.ones(size)), copies.copy(torch.full((size,), 2.0))
    assert isinstance(second, Part)
    assert isinstance(third, Part)
    assert second.data.obj is first.data.obj
    assert third.data.obj is not first.data.obj
    assert torch.equal(from_part(second), torch.ones(size))
    assert copies.copied == 3 * 4 * size


def test_a_sparse_batch_is_copied_and_counted_by_what_it_holds() -> None:
    copies, sparse = Copies(), torch.eye(64).to_sparse()
    copy = copies.copy(sparse)
    assert isinstance(copy, torch.Tensor)
    assert torch.equal(copy.to_dense(), torch.eye(64))
    assert copies.copied == size_of(copy) == 64 * (2 * 8 + 4)
