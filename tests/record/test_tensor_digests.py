"""A digest sees every change of dtype, shape, order, sign and value, and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veristep.core.units import UNIT_BYTES
from veristep.errors import MalformedError
from veristep.record import pack, tensors_torch
from veristep.record.tensors_torch import copy_units, digest, digest_units, from_part, layout, to_part

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool]


def some(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return (torch.arange(1, 1 + torch.Size(shape).numel()).reshape(shape) % 7).to(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_digest_does_not_depend_on_strides(dtype: torch.dtype) -> None:
    tensor = some(dtype, 6, 4)
    assert digest(tensor) == digest(tensor.t().contiguous().t())
    assert digest(tensor[::2]) == digest(tensor[::2].clone())


def test_what_an_xor_of_elements_cannot_see_is_seen() -> None:
    tensor = torch.randn(8, 8, generator=torch.Generator().manual_seed(1))
    others = [-tensor, tensor.flip(0), tensor.t(), tensor.roll(1, 0), tensor.view(4, 16), tensor.double()]
    assert len({digest(each) for each in [tensor, *others]}) == len(others) + 1


@settings(max_examples=60)
@given(st.integers(0, 3 * UNIT_BYTES - 1), st.integers(0, 7))
def test_one_flipped_bit_anywhere_changes_its_unit_and_only_its_unit(place: int, bit: int) -> None:
    long = torch.zeros(3 * UNIT_BYTES, dtype=torch.uint8)
    tensors = [torch.zeros(10), long, torch.zeros(0)]
    before = digest_units(tensors)
    long[place] ^= 1 << bit
    after = digest_units(tensors)
    size = len(before.prefixes) // before.digest.units
    differing = [
        number
        for number in range(before.digest.units)
        if before.prefixes[number * size :][:size] != after.prefixes[number * size :][:size]
    ]
    assert differing == [1 + place // UNIT_BYTES]
    assert before.digest.root != after.digest.root


def test_a_sampled_digest_is_reproduced_from_its_seed_and_count() -> None:
    tensors = [torch.randn(50_000), torch.randn(3), torch.randn(0)]
    sampled = digest_units(tensors, deadline=0.0)
    assert 0 < sampled.digest.units < sampled.digest.total
    again = digest_units(tensors, seed=sampled.digest.seed, limit=sampled.digest.units)
    assert again == sampled


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**64 - 1), st.sampled_from([0.0, 1e9]), st.booleans())
def test_units_copied_on_the_training_thread_have_the_digests_a_replay_computes(
    seed: int, deadline: float, grads: bool
) -> None:
    parameters = [some(torch.float32, 40, 300), some(torch.float64, 3), some(torch.bfloat16, 20_000)]
    parameters += [some(torch.float32, 9, 5000).t(), some(torch.float32, 7), some(torch.float32, 60, 400)]
    for parameter in parameters[:4]:
        parameter.grad = parameter.neg()
    parameters[5].grad = some(torch.float32, 60, 400).to_sparse()
    part = tensors_torch.gradient if grads else tensors_torch.parameter
    copied = copy_units(parameters, part, layout(parameters), seed, deadline)
    again = digest_units(parameters, part, seed=seed, limit=len(copied.parts))
    assert (copied.digest, copied.prefixes) == (again.digest, again.prefixes)
    assert len(copied.parts) == (1 if not deadline else copied.total)


def test_sparse_and_conjugate_tensors_have_digests_of_their_content() -> None:
    sparse = torch.eye(4).to_sparse()
    assert digest(sparse) != digest((2 * torch.eye(4)).to_sparse())
    value = torch.tensor([1 + 2j])
    assert digest(value.conj()) == digest(torch.tensor([1 - 2j]))


def write(tree: object) -> bytes:
    return b"".join(pack.write(tree, to_part).buffers)


def test_a_pack_brings_back_tensors_tuples_odd_keys_and_infinities() -> None:
    tree = {
        "t": some(torch.bfloat16, 3, 2),
        "e": torch.empty(0, 5),
        "n": (1, [None, True, float("inf")], {3: "x", "$y": b"z"}),
    }
    back = pack.read(write(tree), from_part)
    assert torch.equal(back["t"], tree["t"])  # type: ignore[arg-type]
    assert back["e"].shape == (0, 5)
    assert back["n"] == tree["n"]


def test_a_pack_holds_no_objects_only_their_names() -> None:
    assert pack.read(write({"o": object()}), from_part)["o"] == pack.Opaque("builtins.object")


@settings(max_examples=150)
@given(st.data())
def test_one_flipped_bit_anywhere_in_a_pack_changes_its_digest(data: st.DataObject) -> None:
    whole = write({"a": some(torch.float32, 5), "b": [b"xyz", 1.5]})
    expected = pack.digest(whole)
    changed = bytearray(whole)
    changed[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert pack.digest(bytes(changed)) != expected
    except MalformedError:
        return


@settings(max_examples=150)
@given(st.binary(max_size=200))
def test_garbage_is_refused_as_malformed_and_nothing_else(garbage: bytes) -> None:
    for data in (garbage, pack.MAGIC + garbage, pack.MAGIC + len(garbage).to_bytes(4, "little") + garbage):
        with pytest.raises(MalformedError):
            pack.read(data, from_part)
