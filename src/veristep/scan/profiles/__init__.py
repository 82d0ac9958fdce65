"""What pickles of each kind may name: lists of (module, name) pairs, one text file each.

A line is ``module: name name ...``; text after ``#`` is a comment. The lists are data, read by whoever
judges a pickle: the gate in a training process and the scanner beside it. A name stands in a list only if
neither looking it up nor calling it with any arguments runs code that the arguments choose. Names of Python
2 stand beside those of Python 3: the interpreter tells the name as the file has it.
"""

from __future__ import annotations

import os

_HERE = os.path.dirname(__file__)  # noqa: PTH120 - read while every process of a run starts: no pathlib

# What checkpoints and data files may name.
ARTIFACT = ("python", "numpy", "torch", "trainers", "estimators", "pandas", "enums")
# What they may name besides, and rarely do: read only when a name is none of the others.
RARELY = ("standard",)
# What runs code when it is called, by name; `module: *` is all of it, and of what lies below it.
EXECUTION = "execution"


def known() -> list[str]:
    """Return the names of all lists."""
    return sorted(name.removesuffix(".txt") for name in os.listdir(_HERE) if name.endswith(".txt"))  # noqa: PTH208


def load(*names: str) -> frozenset[tuple[str, str]]:
    """Return the pairs of the named lists, together.

    Raises:
        OSError: there is no such list.
    """
    return frozenset(pair for name in names for pair in parse(_text(name)))


def _text(name: str) -> str:
    with open(f"{_HERE}/{name}.txt", encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def parse(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a list's text, in order."""
    found = []
    for line in text.splitlines():
        module, _, names = line.partition("#")[0].partition(":")
        found += [(module.strip(), each) for each in names.split()]
    return found
