"""No byte is passed over in silence: a file with a payload where no reader looks is not allowed."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import pickle
import resource
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from veristep.scan.confine import MEMORY
from veristep.scan.dispatch import dispatch
from veristep.scan.looking import Format, Item, Looking
from veristep.scan.names import known
from veristep.scan.seen import Outcome
from veristep.scan.source import Memory

NAMES = known(())
PAYLOAD = b"\x80\x04cos\nsystem\n\x8c\x04true\x85R."


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Let this process take no more memory than one that scans: some damaged pickles ask for all of it."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def outcome(data: bytes, name: str = "file.bin") -> Outcome:
    scan = Looking(NAMES, dispatch)
    with bounded():
        dispatch(scan, Item(Memory(data), name))
    order = list(Outcome)
    return max((each.outcome for each in scan.notes.seen), key=order.index, default=Outcome.ALLOW)


def _torch(*, legacy: bool) -> bytes:
    out = io.BytesIO()
    value = {"w": torch.zeros(3, 5), "b": torch.zeros(7, dtype=torch.bfloat16), "n": torch.zeros(2).long()}
    torch.save(value, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.arange(5.0))
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "hello")
        archive.writestr("b.json", "{}")
    return out.getvalue()


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()


def _safetensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8)


def _gguf(count: int = 8) -> bytes:
    tensor = struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, count, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tensor
    return head + bytes(-len(head) % 32) + bytes(4 * count)


SAMPLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "torch": ("a.pt", lambda: _torch(legacy=False)),
    "torch before 1.6": ("a.pt", lambda: _torch(legacy=True)),
    "npy": ("a.npy", _npy),
    "zip": ("a.zip", _zip),
    "tar": ("a.tar", _tar),
    "safetensors": ("a.safetensors", _safetensors),
    "gguf": ("a.gguf", _gguf),
    "pickle": ("a.pkl", lambda: pickle.dumps({"a": [1, 2]})),
    "JSON": ("a.json", lambda: b'{"a": 1}'),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_ordinary_file_is_allowed_and_one_with_a_pickle_behind_it_is_not(kind: str) -> None:
    name, make = SAMPLES[kind]
    data = make()
    assert outcome(data, name) is Outcome.ALLOW
    assert outcome(data + PAYLOAD, name) is not Outcome.ALLOW


@pytest.mark.parametrize("kind", ["torch before 1.6", "npy", "tar", "gguf", "pickle"])
def test_padding_of_any_length_hides_nothing_behind_it(kind: str) -> None:
    name, make = SAMPLES[kind]
    data = make()
    padding = bytes(17 << 20)
    assert outcome(data + padding + PAYLOAD, name) is not Outcome.ALLOW


def test_a_second_checkpoint_behind_one_before_1_6_is_looked_at() -> None:
    first = _torch(legacy=True)
    assert outcome(first + first, "a.pt") is Outcome.ALLOW
    out = io.BytesIO()
    torch.save({"f": os.getcwd}, out, _use_new_zipfile_serialization=False)
    assert outcome(first + out.getvalue(), "a.pt") is not Outcome.ALLOW


def test_bytes_of_a_folder_or_a_link_in_a_tar_are_looked_at() -> None:
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
        info = tarfile.TarInfo("a")
        info.type, info.linkname = kind, "b"
        info.size = len(PAYLOAD)
        head = info.tobuf()
        data = head + PAYLOAD + bytes(-len(PAYLOAD) % 512) + bytes(1024)
        assert outcome(data, "a.tar") is Outcome.DENY, kind


def test_what_fills_up_a_block_of_a_tar_is_zeros() -> None:
    data = bytearray(_tar())
    data[512 + 100 : 512 + 100 + len(PAYLOAD)] = PAYLOAD
    assert outcome(bytes(data), "a.tar") is not Outcome.ALLOW


def test_bytes_between_members_of_a_zip_are_not_allowed() -> None:
    with zipfile.ZipFile(io.BytesIO(_zip())) as archive:
        second = archive.getinfo("b.json").header_offset
        directory = archive.start_dir
    data = bytearray(_zip())
    end = len(data) - 22
    entry = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, entry + 42, second + len(PAYLOAD))
    struct.pack_into("<I", data, end + 16, directory + len(PAYLOAD))
    data[second:second] = PAYLOAD
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        assert archive.read("b.json") == b"{}"
    assert outcome(bytes(data), "a.zip") is not Outcome.ALLOW


def test_a_stream_of_a_zip_whose_sizes_follow_its_members_is_allowed() -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.writestr("a.txt", "hello")
        archive.writestr("b.json", "{}")
    assert outcome(pipe.data, "a.zip") is Outcome.ALLOW


def test_text_that_does_not_go_on_as_text_is_not_allowed() -> None:
    assert outcome(b"a line\n" * 200_000, "a.txt") is Outcome.ALLOW
    assert outcome(b"a line\n" * 200_000 + b"\0" + PAYLOAD, "a.txt") is not Outcome.ALLOW


def test_a_format_that_gives_up_and_says_nothing_clears_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgets(Format):
        def recognises(self, item: Item, head: bytes) -> bool:
            return True

        def look(self, scan: Looking, item: Item) -> str:
            item.claim(0, 4)
            return "thing"

    monkeypatch.setattr("veristep.scan.dispatch.FORMATS", (Forgets(),))
    assert outcome(b"head") is Outcome.ALLOW
    assert outcome(b"head and more") is Outcome.UNKNOWN
    assert outcome(b"head" + bytes(100)) is Outcome.ALLOW


@functools.cache
def sample(kind: str) -> bytes:
    return SAMPLES[kind][1]()


KINDS = st.sampled_from(sorted(SAMPLES))
PLACES = st.integers(0, 20_000)  # of a byte, counted round and round


@given(KINDS, PLACES, st.sampled_from([0, 1, 511, 4096]))
@example("gguf", 63, 1)  # the tensor goes on behind the end of the file
@example("gguf", 74, 0)  # what follows is exactly as long as the tensor's rest
@example("npy", 145, 1)
@settings(max_examples=60, deadline=None)
def test_a_payload_appended_after_any_cut_is_never_allowed(kind: str, place: int, padding: int) -> None:
    name, whole = SAMPLES[kind][0], sample(kind)
    cut = place % (len(whole) + 1)
    assert outcome(whole[:cut] + bytes(padding) + PAYLOAD, name) is not Outcome.ALLOW


# A pickle may be text, and then lies in a text as what it is: text.
TEXTUAL = (b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.")


@given(st.sampled_from(sorted(set(SAMPLES) - {"JSON"})), PLACES, st.sampled_from([PAYLOAD, *TEXTUAL]))
@settings(max_examples=60, deadline=None)
def test_a_payload_laid_over_any_place_is_never_allowed(kind: str, place: int, payload: bytes) -> None:
    name, whole = SAMPLES[kind][0], sample(kind)
    start = place % (len(whole) + 1)
    laid = whole[:start] + payload + whole[start + len(payload) :]
    assert outcome(laid, name) is not Outcome.ALLOW


@pytest.mark.parametrize("kind", ["gguf", "safetensors", "npy"])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_pickle_where_the_numbers_of_a_tensor_begin_or_end_is_refused(kind: str, end: str) -> None:
    count = 30_000
    if kind == "npy":
        out = io.BytesIO()
        np.save(out, np.ones(count, np.float32))
        data = bytearray(out.getvalue())
    elif kind == "safetensors":
        described = {"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}
        header = json.dumps(described).encode()
        data = bytearray(struct.pack("<Q", len(header)) + header + bytes(4 * count))
    else:
        data = bytearray(_gguf(count))
    assert outcome(bytes(data), f"a.{kind}") is Outcome.ALLOW
    at = len(data) - (4 * count if end == "first" else len(PAYLOAD))
    data[at : at + len(PAYLOAD)] = PAYLOAD
    assert outcome(bytes(data), f"a.{kind}") is Outcome.DENY


def test_text_that_imports_as_a_pickle_before_it_fails_is_not_allowed_unless_it_is_text_by_name() -> None:
    data = b"cat\ndog\nhorse\n"  # a pickle imports the module "at", and ends there
    assert outcome(data, "labels.txt") is Outcome.ALLOW
    assert outcome(data, "weights.bin") is Outcome.UNKNOWN
    assert outcome(b"cow and sow are used\n and more\n", "notice") is Outcome.ALLOW


def test_a_configuration_under_another_name_is_one() -> None:
    assert outcome(b"_target_: os.system\n_args_: [true]\n", "a") is Outcome.DENY
    assert outcome(b"{{ cycler.__init__.__globals__ }}\n", "a") is Outcome.DENY
    assert outcome(b"Write {{ x.__class__ }} in a template.\n", "README.md") is Outcome.ALLOW


@pytest.mark.parametrize("offset", [0xFFFFFFFF, 0x7FFFFFFF, 1])
def test_a_directory_that_would_begin_before_the_file_is_an_answer_and_no_failure(
    tmp_path: Path, offset: int
) -> None:
    from veristep.scan.scanner import Scanner

    data = bytearray(_zip())
    for field in (12, 16):  # the directory's size, then its offset
        changed = bytearray(data)
        struct.pack_into("<I", changed, len(data) - 22 + field, offset)
        place = tmp_path / "a.zip"
        place.write_bytes(changed)
        with Scanner() as scanner:
            report = scanner.scan(place)
        assert report.outcome is not Outcome.ALLOW
        assert report.kind != "not scanned", report.seen


def test_a_file_on_disk_is_held_to_account_too(tmp_path: Path) -> None:
    from veristep.scan.scanner import Scanner

    place = tmp_path / "a.tar"
    place.write_bytes(_tar() + bytes(2 << 20) + PAYLOAD)
    with Scanner() as scanner:
        assert scanner.scan(place).outcome is not Outcome.ALLOW


# Pickles of protocol 0 by hand: what they name need not be built for them.
WALKS_A_NAME = b"cbuiltins\nsorted\n(cplatform\nuname_result\n(S'a'\nS'b'\nS'c'\nS'd'\nS'e'\ntRtR."
READS_A_FILE = b"ctraceback\nFrameSummary\n(S'/etc/hostname'\nI1\nS'f'\ntR."


@pytest.mark.parametrize("data", [WALKS_A_NAME, READS_A_FILE], ids=["starts a process", "reads a file"])
def test_a_pickle_whose_data_acts_is_not_allowed(data: bytes) -> None:
    assert outcome(data, "file.pkl") is not Outcome.ALLOW


def test_a_graph_that_is_a_pickle_as_well_is_not_allowed() -> None:
    # As a graph: the number 0x42 in field 5, four bytes in field 1, all the rest in field 2. As a pickle: a
    # mark and 1034 bytes, behind which something is executed.
    tail = b"cos\nsystem\n(Vtrue\ntR."
    rest = 1034 - 5 + len(tail)
    both = b"(B\x0a\x04\0\0ab\x12" + bytes([rest & 0x7F | 0x80, rest >> 7]) + b"x" * (1034 - 5) + tail
    assert outcome(both, "model.onnx") is Outcome.DENY
    assert outcome(both.replace(b"(B", b"(C", 1), "model.onnx") is Outcome.ALLOW


@pytest.mark.parametrize(
    ("version", "place", "width_at"), [(0, 40, 13), (1, 44, 13), (2, 28, 9), (3, 28, 9)]
)
def test_what_follows_the_end_of_an_hdf5_file_is_told(version: int, place: int, width_at: int) -> None:
    data = bytearray(b"\x89HDF\r\n\x1a\n" + bytes([version]) + bytes(247))
    data[width_at] = 8
    data[place : place + 8] = len(data).to_bytes(8, "little")
    assert outcome(bytes(data), "model.h5") is Outcome.ALLOW
    assert outcome(bytes(data) + PAYLOAD, "model.h5") is not Outcome.ALLOW
