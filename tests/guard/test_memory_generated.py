"""Code made from a string is found where a source writes a function out, and nowhere else."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.verdicts import Severity
from veristep.guard.memory import definitions
from veristep.guard.memory.definitions import By
from veristep.guard.memory.owners import Folders, Owners, Whose
from veristep.guard.memory.told import Code, Found
from veristep.supervise.memory.generated import Generated

SOURCE = '''\
"""def pretended(): ..."""
import functools
from dataclasses import dataclass
from elsewhere import brought as borrowed

@dataclass
class Sample:
    value: int
    def loss(self): ...
    @functools.cache
    def cached(self): ...
    class Inner:
        async def run(self): ...

if borrowed:
    def either(): ...
else:
    either = None
try:
    def tried(): ...
except ImportError as _:
    def other(): ...
made, (also, *rest) = 1, (2, 3)
with open("x") as file:
    def within(): ...
'''
EVIL = Code("<string>", 1, "evil", "00", Whose.GENERATED)
INSTALLED = Code("/lib/dataclasses.py", 240, "_recursive_repr.<locals>.wrapper", "01", Whose.STANDARD)


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "library.py"
    path.write_text(SOURCE)
    return str(path)


def found(path: str, *codes: Code) -> Found:
    return Found(f"library.{path}", codes or (EVIL,), 7)


def test_a_source_says_what_it_defines_and_how() -> None:
    known = definitions.of_source(SOURCE.encode())
    plain = {name for name, by in known.items() if by == {By.DEF}}
    assert plain == {"Sample.loss", "Sample.Inner.run", "tried", "other", "within"}
    assert known["Sample.cached"] == {By.DECORATED}
    assert known["either"] == {By.DEF, By.OTHER}
    assert known["borrowed"] == {By.IMPORT}
    assert {"made", "also", "rest", "file"} <= set(known)
    assert "pretended" not in known


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), st.booleans())
def test_every_way_a_name_is_bound_is_known(names: list[str], decorated: bool) -> None:
    text = "".join(f"{'@property' if decorated else ''}\ndef {name}(): ...\n" for name in names)
    known = definitions.of_source(text.encode())
    assert known == {name: {By.DECORATED if decorated else By.DEF} for name in names}


@pytest.mark.parametrize("path", ["Sample.loss", "Sample.Inner.run", "tried"])
def test_a_generated_function_in_place_of_a_written_one_is_a_finding(source: str, path: str) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    finding = Generated(counts).judge(found(path, INSTALLED, EVIL), source, path)
    assert finding is not None
    assert finding.severity is Severity.ERROR
    assert counts["names", ""] == 1


@pytest.mark.parametrize("path", ["Sample.__repr__", "Sample.__init__", "Sample.cached", "either", "made"])
def test_what_a_source_makes_when_it_is_executed_is_none(source: str, path: str) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    assert Generated(counts).judge(found(path), source, path) is None
    assert counts["names", ""] == (1 if "__" in path else 0)
    assert counts.total() == 1


def test_what_was_imported_must_be_made_somewhere(source: str) -> None:
    judge = Generated(Counter())
    assert judge.judge(found("borrowed"), source, "borrowed") is None
    assert [each.severity for each in judge.settle()] == [Severity.ERROR]
    judge.judge(found("borrowed"), source, "borrowed")
    judge.judge(found("made"), source, "made")
    assert list(judge.settle()) == []


def test_without_a_source_it_is_not_checked(tmp_path: Path) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    assert Generated(counts).judge(found("f"), str(tmp_path / "library.so"), "f") is None
    (tmp_path / "broken.py").write_text("def f(:\n")
    assert Generated(counts).judge(found("f"), str(tmp_path / "broken.py"), "f") is None
    assert counts == {("names", "their module has no source"): 2}


def test_only_frozen_modules_that_exist_are_the_interpreters() -> None:
    owners = Owners(Folders("/lib", (), "/work", ()))
    assert owners.of("<frozen importlib._bootstrap>") is Whose.STANDARD
    assert owners.of("<frozen payload>") is Whose.GENERATED
