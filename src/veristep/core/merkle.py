"""RFC 6962 Merkle trees: hashing, proofs and their verification, as pure functions.

Source: RFC 6962 section 2.1 (the hashes and proofs are unchanged in RFC 9162). Hashes are 32-byte
SHA-256 values; leaves are counted from 0. The empty tree is left to the caller: no proof speaks
about a tree of size 0, and the verifiers refuse it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from veristep.errors import MalformedError, TamperedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf holding `data`."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node over `left` and `right`."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: all that is needed to append in O(log n).

    Holds the roots of the perfect subtrees the leaves fall into, largest first; also known as a
    compact range that starts at 0.
    """

    __slots__ = ("_nodes", "_size")

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Take up a tree of `size` leaves whose perfect subtrees have the roots `nodes`.

        Raises:
            MalformedError: the number or the length of the hashes does not fit the size.
        """
        if size < 0 or len(nodes) != size.bit_count():
            raise MalformedError(f"{len(nodes)} subtree hashes do not make a tree of {size} leaves")
        _check_hashes(nodes)
        self._size = size
        self._nodes = list(nodes)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    def append(self, leaf: bytes) -> list[bytes]:
        """Append a leaf hash; return the perfect subtrees it completes, by level from 0."""
        completed = [leaf]
        carry = self._size
        while carry & 1:
            leaf = node_hash(self._nodes.pop(), leaf)
            completed.append(leaf)
            carry >>= 1
        self._nodes.append(leaf)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """Return the root over all leaves."""
        return _fold(self._nodes) if self._nodes else EMPTY_ROOT

    def copy(self) -> Frontier:
        """Return an independent copy."""
        return Frontier(self._size, self._nodes)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over `leaf_hashes`."""
    frontier = Frontier()
    for leaf in leaf_hashes:
        frontier.append(leaf)
    return frontier.root()


def subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut the leaves `start` to `end` (exclusive) into perfect subtrees, as (level, index).

    `start` has to be where a subtree of an RFC 6962 tree can start, as in the ranges of
    `inclusion_ranges` and `consistency_ranges`.
    """
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def range_root(start: int, end: int, node: Callable[[int, int], bytes]) -> bytes:
    """Return the root over the leaves `start` to `end`, reading subtree roots by `node`."""
    return _fold([node(level, index) for level, index in subtrees(start, end)])


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots are the inclusion proof, in proof order.

    Raises:
        MalformedError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise MalformedError(f"a tree of {size} leaves has no leaf {index}")
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots are the consistency proof, in proof order.

    Raises:
        MalformedError: not 0 < old <= new.
    """
    if not 0 < old <= new:
        raise MalformedError(f"no tree of {old} leaves comes before one of {new}")
    ranges = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree over `leaf_hashes`."""
    ranges = inclusion_ranges(index, len(leaf_hashes))
    return [root(leaf_hashes[start:end]) for start, end in ranges]


def consistency_proof(leaf_hashes: Sequence[bytes], old: int) -> list[bytes]:
    """Return the proof that the first `old` leaves are a prefix of `leaf_hashes`."""
    ranges = consistency_ranges(old, len(leaf_hashes))
    return [root(leaf_hashes[start:end]) for start, end in ranges]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Check that the leaf hash `leaf` is at `index` in the tree of `size` and `expected_root`.

    Raises:
        MalformedError: no tree has such a leaf, or a hash or the proof has a wrong length.
        TamperedError: the proof does not hold.
    """
    if not 0 <= index < size:
        raise MalformedError(f"a tree of {size} leaves has no leaf {index}")
    _check_hashes([leaf, expected_root, *proof])
    inner = (index ^ (size - 1)).bit_length()
    _check_length(proof, inner + (index >> inner).bit_count())
    calculated = _chain_inner(leaf, proof[:inner], index)
    calculated = _chain_border(calculated, proof[inner:])
    _check_root(calculated, expected_root, f"inclusion proof of leaf {index} of {size}")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `old` leaves is a prefix of the tree of `new` leaves.

    Raises:
        MalformedError: not 0 < old <= new, or a hash or the proof has a wrong length.
        TamperedError: the proof does not hold.
    """
    if not 0 < old <= new:
        raise MalformedError(f"no tree of {old} leaves comes before one of {new}")
    _check_hashes([old_root, new_root, *proof])
    what = f"consistency proof from {old} to {new} leaves"
    if old == new:
        _check_length(proof, 0)
        _check_root(old_root, new_root, what)
        return
    shift = (old & -old).bit_length() - 1
    inner = ((old - 1) ^ (new - 1)).bit_length()
    border = ((old - 1) >> inner).bit_count()
    inner -= shift
    # The old tree's root is itself the first node of the proof when that tree is perfect.
    path = list(proof) if old != 1 << shift else [old_root, *proof]
    _check_length(path, 1 + inner + border)
    seed, inner_path, border_path = path[0], path[1 : 1 + inner], path[1 + inner :]
    mask = (old - 1) >> shift
    old_calculated = _chain_inner_right(seed, inner_path, mask)
    _check_root(_chain_border(old_calculated, border_path), old_root, what)
    new_calculated = _chain_inner(seed, inner_path, mask)
    _check_root(_chain_border(new_calculated, border_path), new_root, what)


def _split(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


def _fold(nodes: Sequence[bytes]) -> bytes:
    result = nodes[-1]
    for node in nodes[-2::-1]:
        result = node_hash(node, result)
    return result


def _chain_inner(seed: bytes, path: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(path):
        left = index >> level & 1
        seed = node_hash(sibling, seed) if left else node_hash(seed, sibling)
    return seed


def _chain_inner_right(seed: bytes, path: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(path):
        if index >> level & 1:
            seed = node_hash(sibling, seed)
    return seed


def _chain_border(seed: bytes, path: Sequence[bytes]) -> bytes:
    for sibling in path:
        seed = node_hash(sibling, seed)
    return seed


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise MalformedError(f"a hash has {HASH_BYTES} bytes, not {len(value)}")


def _check_length(proof: Sequence[bytes], expected: int) -> None:
    if len(proof) != expected:
        raise MalformedError(f"the proof has {len(proof)} hashes, not {expected}")


def _check_root(calculated: bytes, expected: bytes, what: str) -> None:
    if calculated != expected:
        raise TamperedError(f"{what} does not hold: expected root {expected.hex()}, got {calculated.hex()}")
