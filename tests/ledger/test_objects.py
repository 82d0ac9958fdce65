"""The object store: a name is a promise about the bytes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from veristep.errors import MalformedError, StorageError, TamperedError, UnavailableError
from veristep.ledger.objects import ObjectStore, named_objects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FULL_DISK = """
import resource, sys
from pathlib import Path
from veristep.errors import StorageError
from veristep.ledger.objects import ObjectStore

store = ObjectStore(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
kept = store.put(b"small")
try:
    store.put(b"x" * 5000)
except StorageError as error:
    assert sys.argv[1] in error.message and error.hint
else:
    raise SystemExit("accepted")
assert store.read(kept) == b"small"
assert not {"sqlite3", "cryptography", "torch"} & set(sys.modules)
"""


def files(root: Path) -> list[Path]:
    return [item for item in root.rglob("*") if item.is_file()]


@given(st.binary(max_size=200))
def test_put_and_read(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = ObjectStore(tmp_path_factory.getbasetemp() / "objects")
    name = store.put(data)
    assert name == "blake3:" + blake3(data).hexdigest()
    assert store.read(name) == data
    store.verify(name)
    assert name in store
    assert store.path(name).relative_to(store.root).parts == (name[7:9], name[7:])
    with store.open(name) as file:
        assert file.read() == data


def test_files_and_pieces_get_the_same_name_and_are_kept_once(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    data = bytes(range(256)) * 10_000
    source = tmp_path / "source"
    source.write_bytes(data)
    name = store.put_file(source)
    before = store.path(name).stat()
    with store.writer() as writer:
        for start in range(0, len(data), 100_000):
            writer.write(memoryview(data)[start : start + 100_000])
        assert writer.commit() == name
    assert store.put(bytearray(data)) == name
    assert store.path(name).stat().st_ino == before.st_ino
    assert len(files(store.root)) == 1


def test_an_aborted_writer_leaves_nothing(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.writer() as writer:
        writer.write(b"half")
        raise KeyboardInterrupt
    assert files(tmp_path) == []


def test_changed_missing_and_misnamed_objects_are_told_apart(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    name = store.put(b"data")
    store.path(name).write_bytes(b"dato")
    with pytest.raises(TamperedError, match=r"expected blake3:.* got blake3:"):
        store.read(name)
    with pytest.raises(TamperedError, match=r"expected blake3:.* got blake3:"):
        store.verify(name)
    store.path(name).unlink()
    assert name not in store
    looks: list[Callable[[str], object]] = [store.read, store.verify, store.open]
    for look in looks:
        with pytest.raises(UnavailableError, match="not in the store"):
            look(name)
    for bad in (
        "",
        "blake3:xyz",
        "blake3:" + "A" * 64,
        "sha256:" + "0" * 64,
        "blake3:../" + "0" * 61,
    ):
        assert bad not in store
        with pytest.raises(MalformedError):
            store.read(bad)
    with pytest.raises(UnavailableError, match="nowhere"):
        store.put_file(tmp_path / "nowhere")


def test_what_a_power_cut_left_empty_is_written_again(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    name = store.put(b"data")
    store.path(name).write_bytes(b"")
    assert store.put(b"data") == name
    assert store.read(name) == b"data"


def test_a_full_disk_is_a_storage_error_and_keeps_the_rest(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert len(files(tmp_path)) == 1


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        ObjectStore(tmp_path / "file").put(b"x")


def test_which_objects_a_body_names() -> None:
    assert named_objects({"objects": "a"}) == ["a"]
    assert named_objects({"objects": ["a", 1, "b"]}) == ["a", "b"]
    assert named_objects({"objects": {"model": "a"}}) == ["a"]
    assert named_objects({"objects": 3}) == named_objects({"digest": "a"}) == []
