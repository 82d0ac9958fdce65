"""What a pickle would do is said, and not done."""

from __future__ import annotations

import collections
import pickle
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome, Report, Sort

_CALL = b"\x80\x02cos\nsystem\nX\x01\0\0\0x\x85R."
TRICKS = {
    "named twice through the memo": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94h\x02\x8c\x01x\x85R.",
    "the old instance opcode": b"(S'x'\nios\nsystem\n.",
    "the old object opcode": b"(cos\nsystem\nS'x'\no.",
    "only fetched, called later": b"\x80\x02cos\nsystem\nq\x00.",
    "an extension code": b"\x80\x02\x82\x70)R.",
    "reached through an allowed module":
        b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.system\x93\x8c\x01x\x85R.",
    "getattr on something allowed":
        b"\x80\x02cbuiltins\ngetattr\ncbuiltins\ndict\nX\x08\x00\x00\x00__base__\x86R.",
    "partial of what runs code": b"\x80\x02cfunctools\npartial\ncos\nsystem\nX\x01\x00\x00\x00x\x86R)R.",
    "operator chain": b"\x80\x02coperator\nmethodcaller\nX\x06\x00\x00\x00system\x85R.",
    "a codec that is a module": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x04\x00\x00\x00evil\x86R.",
    "after a first pickle": pickle.dumps([1]) + b"cos\nsystem\n(S'x'\ntR.",
    "after a first raw array": pickle.dumps([1]) + bytes(range(256)) * 3 + _CALL,
    "state for a class":
        b"\x80\x02ctorch.optim.sgd\nSGD\nN}X\x04\x00\x00\x00stepctorch.optim.adam\nAdam\ns\x86b.",
    "state for a class by way of a scalar":
    b"\x80\x02cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\nX\x01\0\0\0O\x85R"
    b"ctorch.optim.sgd\nSGD\ntRN}X\x01\0\0\0xK\x01s\x86b.",
    "state for a shared object": b"\x80\x02clogging\ngetLogger\n)R}X\x08\0\0\0disabled\x88sb.",
    "an item for a class": b"\x80\x02ccollections\nOrderedDict\nK\x01K\x02s.",
    "a stdlib function on no list": b"\x80\x02cimaplib\nIMAP4_stream\nX\x01\x00\x00\x00x\x85R.",
}  # fmt: skip


@pytest.mark.parametrize("name", TRICKS)
def test_no_way_to_write_a_call_passes(name: str, scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(TRICKS[name])
    report = scanner.scan(path)
    wanted = {Outcome.DENY, Outcome.UNKNOWN} if "extension" in name or "getattr" in name else {Outcome.DENY}
    assert report.outcome in wanted, report


def _scan(scanner: Scanner, path: Path, value: Any, **how: Any) -> Report:
    torch.save(value, path, **how)
    return scanner.scan(path)


def test_ordinary_checkpoints_are_allowed(scanner: Scanner, tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU())
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    values = {
        "states": {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "random": (random.getstate(), np.random.get_state(), torch.get_rng_state()),
            "counts": collections.Counter("abc"),
        },
        "whole": model,
        "whole optimizer": optimizer,
        "generator": np.random.default_rng(1),
    }
    for name, value in values.items():
        for how in ({}, {"_use_new_zipfile_serialization": False}):
            report = _scan(scanner, tmp_path / "a.pt", value, **how)
            assert report.outcome is Outcome.ALLOW, (name, report)


def test_tensors_are_not_read(scanner: Scanner, tmp_path: Path) -> None:
    report = _scan(scanner, tmp_path / "a.pt", {"w": torch.zeros(1 << 22)})
    assert report.size > 1 << 24
    assert report.read < 1 << 18


def test_a_payload_in_a_tensor_that_is_unpickled_in_turn(
    scanner: Scanner, tmp_path: Path, payload: Any, mark: Path
) -> None:
    inner = tmp_path / "inner.pt"
    for size in (3, 1 << 20):
        torch.save({"w": torch.zeros(size), "p": payload}, inner, _use_new_zipfile_serialization=False)
        data = inner.read_bytes()
        outer = (
            b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(data)) + data + b"\x85R."
        )
        (tmp_path / "a.pkl").write_bytes(outer)
        report = scanner.scan(tmp_path / "a.pkl")
        assert report.outcome is Outcome.DENY
        assert any(each.sort is Sort.CODE and "_load_from_bytes" in each.place for each in report.seen)
    assert not mark.exists()


def test_bombs_cost_the_scanner_nothing_but_a_verdict(scanner: Scanner, tmp_path: Path) -> None:
    bombs = {
        "a string of 8 EiB": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b".",
        "bytes of 1 TiB": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b".",
        "a memo of 4 billion": b"\x80\x02Nr\xff\xff\xff\xff.",
        "a key nested beyond any stack": b"}" + b"(" * 200_000 + b"t" * 200_000 + b"Ns.",
        "a name with a zero byte": b"\x80\x04\x8c\x03a\0b\x8c\x01c\x93.",
    }
    for name, data in bombs.items():
        (tmp_path / "a.pkl").write_bytes(data)
        assert scanner.scan(tmp_path / "a.pkl").outcome is not Outcome.ALLOW, name


EVIL = b"\x80\x02}X\x01\x00\x00\x00wcos\nsystem\nX\x01\x00\x00\x00x\x85Rs."


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_pickle_is_never_allowed_as_long_as_its_call_stands(
    scanner: Scanner, tmp_path: Path, data: st.DataObject
) -> None:
    mutated = bytearray(EVIL)
    at = data.draw(st.integers(0, len(mutated) - 1))
    what = data.draw(st.sampled_from(["flip", "cut", "insert", "double"]))
    if what == "flip":
        mutated[at] ^= 1 << data.draw(st.integers(0, 7))
    elif what == "cut":
        del mutated[at:]
    elif what == "insert":
        mutated[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    else:
        mutated += mutated[at:]
    path = tmp_path / "a.pkl"
    path.write_bytes(mutated)
    report = scanner.scan(path)
    if b"os\nsystem\n" in mutated and report.outcome is Outcome.ALLOW:
        # Allowed can only be what the real unpickler ends without looking a name up.
        class Refusing(pickle.Unpickler):
            def find_class(self, module: str, name: str) -> Any:
                raise AssertionError((module, name))

        import io

        Refusing(io.BytesIO(bytes(mutated))).load()
