"""What was changed in a source, for people: the functions it was changed in, side by side."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

_WIDTH = 50
_MOST_LINES = 40
_AROUND = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """How two texts differ.

    Attributes:
        where: the functions and classes that hold a change, ``Adam.step`` for example.
        line: of the first change in the text that is installed, counted from 1.
        lines: what was published on the left, what is installed on the right.
    """

    where: tuple[str, ...]
    line: int
    lines: tuple[str, ...]


def between(published: str, installed: str) -> Difference:
    """Return how a text that is installed differs from the one that was published."""
    old, new = published.splitlines(), installed.splitlines()
    blocks = [
        each for each in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if each[0] != "equal"
    ]
    names = {
        **dict.fromkeys(_holding(installed, blocks, new=True)),
        **dict.fromkeys(_holding(published, blocks)),
    }
    first = blocks[0][3] + 1 if blocks else 1
    lines = [f"  {'published':<{_WIDTH + 5}}   installed"] if blocks else []
    for each in blocks:
        lines += _beside(old, new, each)
    left = len(lines) - _MOST_LINES
    if left > 0:
        lines = [*lines[:_MOST_LINES], f"  … {left} more lines"]
    return Difference(tuple(names), first, tuple(lines))


_Block = tuple[str, int, int, int, int]


def _beside(old: Sequence[str], new: Sequence[str], block: _Block) -> Iterator[str]:
    _, a, b, c, d = block
    before = min(_AROUND, a, c)
    after = min(_AROUND, len(old) - b, len(new) - d)
    for at in range(before, 0, -1):
        yield _row(" ", a - at, old[a - at], c - at, new[c - at])
    for at in range(max(b - a, d - c)):
        left = (a + at, old[a + at]) if a + at < b else (-1, "")
        right = (c + at, new[c + at]) if c + at < d else (-1, "")
        yield _row("!", *left, *right)
    for at in range(after):
        yield _row(" ", b + at, old[b + at], d + at, new[d + at])


def _row(mark: str, left: int, old: str, right: int, new: str) -> str:
    return f"{mark} {_cell(left, old):<{_WIDTH + 5}} | {_cell(right, new)}".rstrip()


def _cell(number: int, text: str) -> str:
    if number < 0:
        return ""
    # What stands behind two thousand blanks is what is to be seen.
    shown = text.expandtabs(4)
    indent = len(shown) - len(shown.lstrip())
    shown = " " * min(indent, 12) + " ".join(shown.split())
    return f"{number + 1:>4} {shown[: _WIDTH - 1] + '…' if len(shown) > _WIDTH else shown}"


def _holding(text: str, blocks: Sequence[_Block], *, new: bool = False) -> list[str]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    spans = [(each[3] + 1, each[4]) if new else (each[1] + 1, each[2]) for each in blocks]
    return [
        name
        for name, start, stop in _defined(tree, "")
        if any(start <= last and first <= stop and first <= last for first, last in spans)
    ]


def _defined(node: ast.AST, above: str) -> Iterator[tuple[str, int, int]]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield above + each.name, each.lineno, each.end_lineno or each.lineno
        elif isinstance(each, ast.ClassDef):
            yield from _defined(each, f"{above}{each.name}.")
