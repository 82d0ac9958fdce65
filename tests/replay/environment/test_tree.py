"""Any change of a built environment is found, whichever byte, name, mode or link it is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.errors import MalformedError
from veristep.replay.environment import tree

NAMES = st.text("abcdef", min_size=1, max_size=6)
FILES = st.dictionaries(
    st.tuples(NAMES, NAMES).map("/".join), st.binary(min_size=1, max_size=80), min_size=1
)


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


@given(files=FILES, data=st.data())
def test_flipping_any_bit_of_any_file_is_found_and_names_it(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, files)
        before = tree.from_bytes(tree.to_bytes(tree.take(folder)))
        assert tree.differences(before, tree.take(folder)) == []
        path = data.draw(st.sampled_from(sorted(files)))
        changed = bytearray(files[path])
        place = data.draw(st.integers(0, 8 * len(changed) - 1))
        changed[place // 8] ^= 1 << place % 8
        (folder / path).write_bytes(changed)
        assert tree.differences(before, tree.take(folder)) == [path]


def test_added_deleted_and_replaced_files_and_modes_are_found(tmp_path: Path) -> None:
    fill(tmp_path, {"a/one": b"1", "a/two": b"2", "a/three": b"3"})
    (tmp_path / "a" / "link").symlink_to("one")
    before = tree.take(tmp_path)
    (tmp_path / "a" / "sitecustomize.py").write_text("", encoding="utf-8")
    (tmp_path / "a" / "two").unlink()
    (tmp_path / "a" / "one").chmod(0o700)
    (tmp_path / "a" / "link").unlink()
    (tmp_path / "a" / "link").symlink_to("three")
    found = tree.differences(before, tree.take(tmp_path))
    assert found == ["a/link", "a/one", "a/sitecustomize.py", "a/two"]


def test_what_is_no_tree_is_refused() -> None:
    with pytest.raises(MalformedError):
        tree.from_bytes(b'{"files":{"a":["file"]},"format":"veristep-tree/1"}')
