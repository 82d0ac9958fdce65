"""RFC 6962: the public vectors, and laws that hold for trees of any size."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core import merkle
from veristep.errors import MalformedError, TamperedError

VECTORS = Path(__file__).parents[1] / "vectors"
TREE = json.loads((VECTORS / "rfc6962_tree.json").read_text())
sizes = st.integers(1, 300)


def cases(name: str) -> list[Any]:
    found = json.loads((VECTORS / name).read_text())["cases"]
    return [pytest.param(case, id=case["case"]) for case in found]


def unpack(value: str | None) -> bytes:
    return base64.b64decode(value or "")


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % i) for i in range(count)]


def test_tree_vectors() -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in TREE["leaf_inputs_hex"]]
    assert [h.hex() for h in hashes] == TREE["node_hashes_hex_by_level"][0]
    assert merkle.EMPTY_ROOT.hex() == TREE["empty_root_hex"] == merkle.root([]).hex()
    roots = [merkle.root(hashes[:n]).hex() for n in range(1, 9)]
    assert roots == TREE["root_hex_by_size_1_to_8"]


@pytest.mark.parametrize("case", cases("rfc6962_inclusion_proofs.json"))
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    def verify() -> None:
        merkle.verify_inclusion(
            case["leafIdx"],
            case["treeSize"],
            unpack(case["leafHash"]),
            [unpack(item) for item in case["proof"] or []],
            unpack(case["root"]),
        )

    if not case["wantErr"]:
        verify()
        return
    with pytest.raises((MalformedError, TamperedError)):
        verify()


@pytest.mark.parametrize("case", cases("rfc6962_consistency_proofs.json"))
def test_consistency_vectors(case: dict[str, Any]) -> None:
    def verify() -> None:
        merkle.verify_consistency(
            case["size1"],
            case["size2"],
            unpack(case["root1"]),
            unpack(case["root2"]),
            [unpack(item) for item in case["proof"] or []],
        )

    # The source's cases with "don't care" for a hash are good; for us a hash has 32 bytes.
    if not case["wantErr"] and len(unpack(case["root1"])) == merkle.HASH_BYTES:
        verify()
        return
    with pytest.raises((MalformedError, TamperedError)):
        verify()


@given(sizes, st.data())
def test_every_leaf_can_be_proved_and_no_other_passes(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(hashes, index)
    root = merkle.root(hashes)
    merkle.verify_inclusion(index, size, hashes[index], proof, root)
    with pytest.raises(TamperedError, match=f"leaf {index} of {size}"):
        merkle.verify_inclusion(index, size, merkle.leaf_hash(b"other"), proof, root)
    with pytest.raises(MalformedError):
        merkle.verify_inclusion(index, size, hashes[index], [*proof, root], root)


@given(sizes, st.data())
def test_every_prefix_can_be_proved_and_no_fork_passes(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    old = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(hashes, old)
    roots = merkle.root(hashes[:old]), merkle.root(hashes)
    merkle.verify_consistency(old, size, *roots, proof)
    fork = merkle.root([merkle.leaf_hash(b"other"), *hashes[1:]])
    with pytest.raises(TamperedError):
        merkle.verify_consistency(old, size, roots[0], fork, proof)
    with pytest.raises(TamperedError):
        merkle.verify_consistency(old, size, fork, roots[1], proof)


@given(st.integers(0, 300))
def test_a_frontier_grows_as_the_tree_does(size: int) -> None:
    hashes = leaves(size)
    frontier = merkle.Frontier()
    for leaf in hashes:
        before = frontier.size
        completed = frontier.append(leaf)
        for level, node in enumerate(completed):
            start = (before >> level) << level
            assert node == merkle.root(hashes[start : start + (1 << level)])
    assert frontier.root() == merkle.root(hashes)
    copy = frontier.copy()
    copy.append(merkle.leaf_hash(b"more"))
    assert (frontier.size, copy.size) == (size, size + 1)


@given(sizes, st.data())
def test_ranges_read_perfect_subtrees_only(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)

    def node(level: int, index: int) -> bytes:
        return merkle.root(hashes[index << level : (index + 1) << level])

    index = data.draw(st.integers(0, size - 1))
    ranges = merkle.inclusion_ranges(index, size)
    proof = [merkle.range_root(start, end, node) for start, end in ranges]
    assert proof == merkle.inclusion_proof(hashes, index)


@pytest.mark.parametrize(
    "call",
    [
        lambda: merkle.Frontier(3, [b"x" * 32]),
        lambda: merkle.Frontier(1, [b"x" * 31]),
        lambda: merkle.inclusion_ranges(3, 3),
        lambda: merkle.consistency_ranges(0, 3),
        lambda: merkle.verify_inclusion(0, 1, b"short", [], merkle.EMPTY_ROOT),
        lambda: merkle.verify_consistency(2, 1, b"", b"", []),
    ],
)
def test_what_is_no_tree_or_hash_is_malformed(call: Any) -> None:
    with pytest.raises(MalformedError):
        call()
