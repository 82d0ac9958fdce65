"""A change of a source is shown where people see it: the function, both sides, nothing behind blanks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from veristep.supervise.env.difference import between

PUBLISHED = """class SGD:
    def step(self):
        for p in self.params:
            p -= self.lr * p.grad

    def zero_grad(self):
        pass
"""


def test_the_changed_function_is_named_and_shown_side_by_side() -> None:
    found = between(PUBLISHED, PUBLISHED.replace("p -= self", "p += self"))
    assert found.where == ("SGD.step",)
    assert found.line == 4
    (changed,) = [line for line in found.lines if line.startswith("!")]
    published, installed = changed.split(" | ")
    assert "p -= self.lr" in published
    assert "p += self.lr" in installed


def test_what_stands_behind_blanks_is_shown() -> None:
    found = between(PUBLISHED, PUBLISHED.replace("pass", "pass;" + " " * 2000 + "self.lr = 0"))
    assert any("pass; self.lr = 0" in line for line in found.lines)
    assert found.where == ("SGD.zero_grad",)


def test_an_added_function_is_named() -> None:
    assert between(PUBLISHED, PUBLISHED + "\n\ndef late():\n    pass\n").where == ("late",)


def test_a_removed_line_is_shown_on_the_left() -> None:
    found = between(PUBLISHED, PUBLISHED.replace("            p -= self.lr * p.grad\n", ""))
    assert any("p -= self.lr" in line.split(" | ")[0] for line in found.lines if line.startswith("!"))


@given(st.text(), st.text())
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    found = between(one, other)
    assert len(found.lines) <= 42
    assert bool(found.lines) == (one.splitlines() != other.splitlines())
