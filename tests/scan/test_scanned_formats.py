"""Attacks hidden in other kinds of files, and the ordinary files of these kinds."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome, Report, Sort

EVIL = b"\x80\x02cos\nsystem\nX\x01\0\0\0x\x85R."


def tar(data: bytes, name: str = "a", mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def gguf(template: str, key: bytes = b"tokenizer.chat_template") -> bytes:
    value = template.encode()
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", len(key)) + key
    return head + struct.pack("<IQ", 8, len(value)) + value


def zipped(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def onnx(location: str) -> bytes:
    def field(number: int, data: bytes) -> bytes:
        return bytes([number << 3 | 2, len(data)]) + data

    entry = field(1, b"location") + field(2, location.encode())
    tensor = b"\x6a" + bytes([len(entry)]) + entry
    return b"\x08\x08\x12\x01x" + field(7, field(5, tensor))


LAMBDA = {
    "class_name": "Lambda",
    "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wAAAAA="}}},
}
POPEN = {"class_name": "Popen", "module": "subprocess", "config": {"args": ["x"]}}
REACH = "{{ cycler.__init__.__globals__.os.popen('x') }}"

OBJECTS = b"\x93NUMPY\x01\0" + struct.pack("<H", 40) + b"{'descr': '|O', 'shape': (1,)}".ljust(40)
DENIED: dict[str, tuple[bytes, Sort]] = {
    "a.pkl.gz": (gzip.compress(EVIL), Sort.CODE),
    "second stream.gz": (gzip.compress(EVIL[:2]) + gzip.compress(EVIL[2:]), Sort.CODE),
    "a.pkl.bz2": (bz2.compress(EVIL), Sort.CODE),
    "a.pkl.xz": (lzma.compress(EVIL), Sort.CODE),
    "a.tar": (tar(EVIL), Sort.CODE),
    "a.tar.bz2": (bz2.compress(tar(EVIL)), Sort.CODE),
    "gz in tar in xz": (lzma.compress(tar(gzip.compress(EVIL))), Sort.CODE),
    "up.tar": (tar(b"text", "../../x"), Sort.ESCAPE),
    "objects.npy": (OBJECTS + EVIL, Sort.CODE),
    "second.npy": (npy(np.zeros(3)) + EVIL, Sort.CODE),
    "record.npy": (npy(np.zeros(3, [("a", "<i4"), ("b", "<f8", (2, 3))])) + EVIL, Sort.CODE),
    "a.safetensors": (EVIL, Sort.CODE),
    "lib.bin": (b"\x7fELF" + bytes(200), Sort.NATIVE),
    "a.yaml": (b"x: !!python/object/apply:os.system ['x']", Sort.REMOTE),
    "directive.yaml": (
        b"%TAG !p! tag:yaml.org,2002:python/object/\n---\n!p!apply:os.system ['x']",
        Sort.REMOTE,
    ),
    "hydra.yaml": (b"_target_: os.system", Sort.REMOTE),
    "tokenizer_config.json": (json.dumps({"chat_template": REACH}).encode(), Sort.TEMPLATE),
    "a.gguf": (gguf(REACH), Sort.TEMPLATE),
    "a.keras": (zipped("config.json", json.dumps({"config": {"layers": [LAMBDA]}})), Sort.EMBEDDED),
    "popen.keras": (zipped("config.json", json.dumps({"config": {"layers": [POPEN]}})), Sort.REMOTE),
    "a.h5": (b"\x89HDF\r\n\x1a\n" + bytes(99) + json.dumps(LAMBDA).encode() + b"\0", Sort.EMBEDDED),
    "a.onnx": (onnx("../../etc/passwd"), Sort.EXTERNAL),
}  # fmt: skip


@pytest.mark.parametrize("name", DENIED)
def test_an_attack_in_another_kind_of_file(name: str, scanner: Scanner, tmp_path: Path) -> None:
    data, sort = DENIED[name]
    (tmp_path / name).write_bytes(data)
    report = scanner.scan(tmp_path / name)
    assert report.outcome is Outcome.DENY
    assert sort in {each.sort for each in report.seen if each.outcome is Outcome.DENY}


UNKNOWN = {
    "auto.json": json.dumps({"auto_map": {"AutoModel": "modeling_x.Net"}}).encode(),
    "noise.bin": bytes(range(256)),
    "cut.gz": gzip.compress(pickle.dumps([1] * 9999))[:-9],
    "a.zst": b"\x28\xb5\x2f\xfd" + bytes(20),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_does_not_pass(name: str, scanner: Scanner, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(UNKNOWN[name])
    assert scanner.scan(tmp_path / name).outcome is Outcome.UNKNOWN


def _benign(folder: Path) -> dict[str, Callable[[Path], Any]]:
    record = np.zeros(3, dtype=[("a", "f4"), ("b", "i8", (2,))])
    chat = "{% for m in messages %}{{ m['role'] + m['content'] }}{% endfor %}"
    return {
        "a.npy": lambda path: np.save(path, np.arange(9)),
        "record.npy": lambda path: np.save(path, record),
        "a.npz": lambda path: np.savez_compressed(path, a=np.eye(3), t=np.array(["x", "yy"])),
        "a.joblib": lambda path: joblib.dump([np.arange(9.0), {"x": record}], path),
        "packed.joblib": lambda path: joblib.dump([np.arange(9000.0)], path, compress=3),
        "objects.joblib": lambda path: joblib.dump(np.array([1, None, "x"], dtype=object), path),
        "a.safetensors": lambda path: save_file({"w": torch.zeros(3, 3)}, path),
        "tokenizer_config.json": lambda path: path.write_text(json.dumps({"chat_template": chat})),
        "a.gguf": lambda path: path.write_bytes(gguf(chat)),
        "a.yaml": lambda path: path.write_text("_target_: torch.optim.AdamW\nt: !!python/tuple [1]\n"),
        "README.md": lambda path: path.write_text("cos\nsin\n"),
        "a.onnx": lambda path: path.write_bytes(onnx("weights.bin")),
    }  # fmt: skip


def test_ordinary_files_of_these_kinds_are_allowed(scanner: Scanner, tmp_path: Path) -> None:
    for name, write in _benign(tmp_path).items():
        write(tmp_path / name)
        report = scanner.scan(tmp_path / name)
        assert report.outcome is Outcome.ALLOW, (name, report)


def test_a_safetensors_header_that_lies(scanner: Scanner, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"

    def scanned(header: str, body: bytes) -> Report:
        path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + body)
        return scanner.scan(path)

    good = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    assert scanned(good, bytes(8)).outcome is Outcome.ALLOW
    for header, body in (
        (good, bytes(9)),
        (good.replace("[2]", "[3]"), bytes(8)),
        (good.replace("[0,8]", "[4,12]"), bytes(12)),
        (good[:-1] + "," + good[1:], bytes(8)),
    ):
        assert scanned(header, body).outcome is Outcome.DENY, header


_FUZZED = [(name, data) for name, (data, sort) in DENIED.items() if sort is Sort.CODE]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_done_to_a_file_the_scanner_answers(
    scanner: Scanner, tmp_path: Path, data: st.DataObject
) -> None:
    name, whole = data.draw(st.sampled_from([*_FUZZED, *((n, d) for n, (d, _) in DENIED.items())]))
    mutated = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, max(0, len(mutated) - 1)))
        what = data.draw(st.sampled_from(["flip", "cut", "insert", "splice"]))
        if what == "flip" and mutated:
            mutated[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "cut":
            del mutated[at:]
        elif what == "insert":
            mutated[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        else:
            mutated[at:at] = data.draw(st.sampled_from([each for _, each in _FUZZED]))[:64]
    (tmp_path / name).write_bytes(mutated)
    report = scanner.scan(tmp_path / name)
    # Neither an event of Python's (import, exec, open, ...) nor a crash ended the process that looked.
    assert all(
        "would have imported" not in each.text and "failed" not in each.text for each in report.seen
    ), report
    if EVIL in mutated and name not in ("up.tar",):
        assert report.outcome is not Outcome.ALLOW
