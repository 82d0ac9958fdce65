"""How a source defines its names: what tells a generated method from one that took a definition's place.

A data class has its methods made from strings, and so have many others; a function that the source writes
out has not. For the supervisor: nothing here is imported in a training process.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

Definitions = Mapping[str, frozenset["By"]]
"""By the dotted name within a module, all the ways in which its source binds it."""


class By(Enum):
    """What binds a name."""

    DEF = auto()
    """A ``def`` as it stands."""
    DECORATED = auto()
    """A ``def`` that a decorator may make something else of."""
    IMPORT = auto()
    OTHER = auto()


def of_source(source: bytes) -> Definitions:
    """Return how a source binds the names of its module and of its classes.

    Raises:
        SyntaxError, ValueError, RecursionError: it is no source that this interpreter knows.
    """
    found: dict[str, set[By]] = {}
    for name, by in _bound(ast.parse(source).body, ""):
        found.setdefault(name, set()).add(by)
    return {name: frozenset(all_of) for name, all_of in found.items()}


def _bound(body: Sequence[ast.AST], prefix: str) -> Iterator[tuple[str, By]]:
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + each.name, By.DECORATED if each.decorator_list else By.DEF
        elif isinstance(each, ast.ClassDef):
            yield from _bound(each.body, f"{prefix}{each.name}.")
        elif isinstance(each, ast.Import | ast.ImportFrom):
            for one in each.names:
                yield prefix + (one.asname or one.name.partition(".")[0]), By.IMPORT
        else:
            yield from _of_statement(each, prefix)


def _of_statement(statement: ast.AST, prefix: str) -> Iterator[tuple[str, By]]:
    """Yield what a statement binds itself, and what those nested in it do."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _bound([child], prefix)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _bound(child.body, prefix)
        else:
            for each in ast.walk(child):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield prefix + each.id, By.OTHER
