"""Digests of functions tell code, defaults and closures apart, and are the same in every process."""

from __future__ import annotations

import functools
import random
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from veristep.guard.env import code_digest
from veristep.guard.memory import describe
from veristep.guard.memory.owners import Folders, Owners, Whose
from veristep.guard.memory.pace import SLICE_SECONDS, Pace


def made(factor: object, default: object = 1) -> Callable[[], object]:
    def function(x: object = default) -> object:
        return x, factor

    return function


@given(st.one_of(st.integers(), st.text(max_size=20), st.booleans(), st.none()), st.integers())
def test_other_closures_and_defaults_are_another_digest_of_the_same_code(one: object, other: int) -> None:
    code, rest = describe.digests(made(one))
    assert (code, rest) == describe.digests(made(one))
    assert describe.digests(made(one, default="another"))[0] == code
    assert describe.digests(made(one, default="another"))[1] != rest
    same = repr(one) == repr(other)
    assert (describe.digests(made(other))[1] == rest) is same


def test_a_wrapped_function_is_told_from_the_wrapper_around_it() -> None:
    def wrapper_of(inner: Callable[[], object]) -> Callable[[], object]:
        @functools.wraps(inner)
        def wrapper() -> object:
            return inner()

        return wrapper

    one, other = wrapper_of(made(1)), wrapper_of(random.random)
    assert describe.digests(one)[0] != describe.digests(other)[0]
    assert [each.co_name for each in describe.codes(one)] == ["wrapper", "function"]


def test_all_parts_of_a_source_are_the_digests_of_its_live_functions(tmp_path: Path) -> None:
    path = tmp_path / "parts.py"
    text = (
        "def f(x):\n    def g():\n        return lambda: x\n    return g\nclass C:\n    def m(self): ...\n"
    )
    path.write_text(text)
    code = compile(text, str(path), "exec", dont_inherit=True)
    parts = code_digest.parts_of(code)
    space: dict[str, object] = {}
    exec(code, space)
    f, c = space["f"], space["C"]
    assert isinstance(f, types.FunctionType)
    live = [f, f(1), f(1)(), vars(c)["m"]]
    assert {code_digest.of_function_code(each.__code__) for each in live} <= set(parts)
    asked = subprocess.run(
        [sys.executable, "-I", "-S", code_digest.__file__],
        input=f'["{path}", "{path}", {sys.flags.optimize}, "parts"]\n',
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(each in asked.stdout for each in parts)


def test_a_slice_is_followed_by_a_pause_until_the_process_ends() -> None:
    times, pauses = iter(range(1000)), list[float]()
    pace = Pace(clock=lambda: next(times) * SLICE_SECONDS, sleep=pauses.append)
    assert list(pace.over("abcdef")) == list("abcdef")
    assert len(pauses) == 3
    pace.hurried = True
    assert list(pace.over("abcdef")) == list("abcdef")
    assert len(pauses) == 3


def test_the_first_update_waits_for_a_look_no_longer_than_a_limit() -> None:
    pace, let_go = Pace(), []

    def work() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            let_go.append(True)

    pace.hurried, pace.until = True, time.monotonic()
    assert len(list(pace.over(work()))) < 100
    assert (pace.cut, let_go) == (True, [True])


def test_files_are_sorted_by_whose_they_are(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    listed, dropped = site / "good/core.py", site / "good/dropped.py"
    (site / "good-1.dist-info").mkdir(parents=True)
    (site / "good-1.dist-info/RECORD").write_text("good/core.py,sha256=x,1\n")
    own, outside = tmp_path / "work/train.py", tmp_path / "lab/tools.py"
    exposed, start = tmp_path / "open/code.py", tmp_path / "shared/sitecustomize.py"
    for each in (listed, dropped, own, outside, exposed, start):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    exposed.chmod(0o666)
    folders = Folders(
        str(tmp_path / "lib/python3.11"), (str(site),), str(tmp_path / "work"), (str(tmp_path / "us"),)
    )
    owners = Owners(folders)
    found = [owners.of(str(each)) for each in (listed, dropped, own, outside, exposed, start)]
    assert found == [
        Whose.INSTALLED,
        Whose.UNLISTED,
        Whose.OWN,
        Whose.OUTSIDE,
        Whose.EXPOSED,
        Whose.START,
    ]
    assert owners.of("<string>") is Whose.GENERATED
    assert owners.of("<frozen os>") is Whose.STANDARD
    assert owners.of(str(tmp_path / "work/never.py")) is Whose.GONE
