"""Snapshots in parts: nothing is stored twice, no change goes unseen, dropping takes nothing needed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from veristep.errors import VeristepError
from veristep.ledger import snapshots as stored
from veristep.ledger.objects import ObjectStore
from veristep.ledger.snapshots import Manifest, SnapshotStore
from veristep.record import snapshots_torch as snapshots
from veristep.record.tensors_torch import digest


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stored, snapshots):
        monkeypatch.setattr(module, "PIECE_BYTES", 4096)
        monkeypatch.setattr(module, "SMALL_BYTES", 512)


class Place:
    def __init__(self, folder: Path) -> None:
        self.objects = ObjectStore(folder / "objects")
        self.store = SnapshotStore(folder / "snapshots")
        self.objects.root.mkdir(parents=True)

    def write(self, tree: dict[str, Any], stream: str = "0") -> snapshots.Written:
        return snapshots.write(self.objects, self.store, stream, tree)

    def load(self, name: str) -> dict[str, Any]:
        return snapshots.load(self.objects.root, self.store.root, name)

    def files(self) -> list[Path]:
        roots = (self.objects.root, self.store.parts.root)
        return sorted(path for root in roots for path in root.rglob("*") if path.is_file())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def state(step: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    return {
        "step": step,
        "modules": [
            {"frozen": torch.arange(5000.0), "bias": torch.zeros(3), "none": torch.empty(0, 7)},
            {"w": torch.randn(70, 50, generator=generator), "half": torch.ones(40).bfloat16()},
        ],
        "optimizers": [{"state": [["p0", {"step": torch.tensor(float(step)), "flag": True}]]}],
    }


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return bool(digest(one) == digest(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_a_snapshot_comes_back_bit_for_bit(place: Place) -> None:
    assert same(place.load(place.write(state(3)).name), state(3))


def test_what_did_not_change_is_not_stored_again(place: Place) -> None:
    first, second = place.write(state(0)), place.write(state(1))
    frozen, changed = 5000 * 4, 70 * 50 * 4
    assert first.stored == first.size > frozen + changed
    assert changed <= second.stored < changed + 1000
    # What all ranks hold alike is stored by the first of them.
    assert place.write(state(1), stream="1").stored == 0


def test_one_changed_row_stores_one_piece(place: Place) -> None:
    place.write(state(0))
    tree = state(0)
    tree["modules"][0]["frozen"][1700] = -1.0
    assert place.write({**tree, "step": 1}).stored == 4096


def test_dropping_a_snapshot_takes_only_what_no_other_needs(place: Place) -> None:
    names = [place.write(state(step)).name for step in range(3)]
    before = sum(path.stat().st_size for path in place.store.parts.root.rglob("*") if path.is_file())
    freed = place.store.drop(place.objects, [("0", 1)])
    after = sum(path.stat().st_size for path in place.store.parts.root.rglob("*") if path.is_file())
    assert before - after == freed >= 70 * 50 * 4
    assert same(place.load(names[0]), state(0))
    assert same(place.load(names[2]), state(2))
    with pytest.raises(VeristepError, match="not in the store"):
        place.load(names[1])
    # Its manifest stays: what it was is still on record.
    assert Manifest.from_bytes(place.objects.read(names[1])).step == 1


def test_nothing_is_dropped_when_a_manifest_that_stays_cannot_be_read(place: Place) -> None:
    names = [place.write(state(step)).name for step in range(2)]
    place.objects.path(names[0]).write_bytes(b"{}")
    with pytest.raises(VeristepError):
        place.store.drop(place.objects, [("0", 1)])
    assert same(place.load(names[1]), state(1))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_changed_bit_of_any_file_is_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        name = place.write(state(5)).name
        path = data.draw(st.sampled_from(place.files()))
        content = bytearray(path.read_bytes())
        bit = data.draw(st.integers(0, 8 * len(content) - 1))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        with pytest.raises(VeristepError):
            place.load(name)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_missing_or_shortened_file_is_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        name = place.write(state(5)).name
        path = data.draw(st.sampled_from(place.files()))
        content = path.read_bytes()
        path.unlink()
        if data.draw(st.booleans()):
            path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(VeristepError):
            place.load(name)


def test_no_snapshot_is_written_that_would_fill_the_disk(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("veristep.record.disk.LEAVE_FREE_BYTES", 1 << 62)
    with pytest.raises(VeristepError, match="do not fit"):
        place.write(state(0))
    assert place.files() == []
