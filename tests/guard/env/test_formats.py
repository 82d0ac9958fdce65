"""Wheels and references: what is read is what is there, and anything else is refused with a reason."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments import SPACE, make_environment, make_wheel
from veristep.errors import MalformedError
from veristep.guard.env import layout, reference, wheel
from veristep.guard.env.reference import AFTER_FIRST_LINE, Distribution, Reference, Source


def test_the_members_of_a_wheel_are_where_installers_put_them(tmp_path: Path) -> None:
    files = {
        "x-1.0.data/purelib/x.py": "1",
        "x-1.0.data/headers/x.h": "2",
        "x-1.0.data/scripts/t": "#!python\n3",
    }
    read = wheel.read(make_wheel(tmp_path, "x", files), "3.11")
    assert "x.py" in read.files
    assert "../../../include/site/python3.11/x/x.h" in read.files
    assert read.files["../../../bin/t"].startswith(AFTER_FIRST_LINE)
    assert not any("RECORD" in each for each in read.files)


def test_what_is_no_wheel_is_refused_by_name(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "space", SPACE)
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"PK\x03\x04" + b"\0" * 100):
        path.write_bytes(broken)
        with pytest.raises(MalformedError, match=r"space-1\.0-py3-none-any\.whl"):
            wheel.read(path, "3.11")


def test_of_two_members_with_one_name_the_later_counts(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "space", SPACE)
    before = wheel.read(path, "3.11").files["space/one.py"]
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("space/one.py", "TWO = 2\n")
    assert wheel.read(path, "3.11").files["space/one.py"] != before


_NAMES = st.text(min_size=1, max_size=20)
_DIGESTS = st.dictionaries(_NAMES, _NAMES, max_size=5)


@given(_NAMES, _DIGESTS, _DIGESTS, st.sampled_from(Source))
def test_a_reference_is_read_as_it_was_written(
    name: str, files: dict[str, str], seen: dict[str, str], source: Source
) -> None:
    made = Reference("/p", "/l", "3.11", (Distribution(name, "1", source, "/r", files),), seen)
    assert reference.from_bytes(made.to_bytes()) == made


@given(st.binary(max_size=200))
def test_what_is_no_reference_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        reference.from_bytes(data)


def test_the_interpreter_of_a_command_is_told_from_its_files(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    python, script = str(prefix / "bin/python3"), prefix / "bin/partsrun"
    script.chmod(0o755)
    assert layout.interpreter_of([python, "train.py"], {}) == python
    assert layout.interpreter_of([str(script)], {}) == python
    assert layout.interpreter_of(["/bin/sh", "-c", "x"], {"VIRTUAL_ENV": str(prefix)}) == python
    assert layout.interpreter_of(["/bin/sh"], {}) == ""
    assert layout.of_executable(python, {}).prefix == str(prefix)
