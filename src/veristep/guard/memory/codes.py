"""Every function that is alive, and every table of torch's hooks, found through the garbage collector.

What no name leads to, a hook on a node of the graph that only C++ holds for example, is in its lists too.
"""

from __future__ import annotations

import gc
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from itertools import compress, repeat
from operator import is_
from types import CodeType, FunctionType
from typing import Any
from weakref import ref

from veristep.guard.env.code_digest import of_function_code
from veristep.guard.memory import describe
from veristep.guard.memory.notes import Notes

_CHUNK = 2048
_MOST_HOOKS = 500
# A list of everything is taken in one go: where that takes longer, it is taken less often.
LONGEST_HOLD_SECONDS = 0.02


class Codes:
    """What this process knows of the code that is alive in it.

    Attributes:
        functions: how many were alive at the last full look.
        hold: seconds that taking the last full list held the interpreter.
    """

    def __init__(
        self, notes: Notes, wanted: Callable[[type], bool], of_interest: Callable[[Any], None]
    ) -> None:
        """Begin.

        Args:
            notes: is told.
            wanted: whether objects of a type are of interest.
            of_interest: is given each of them.
        """
        self._notes = notes
        self._wanted = wanted
        self._object = of_interest
        self._kinds: set[type] = set()
        self._known_kinds: set[type] = set()
        self._seen: dict[int, ref[CodeType]] = {}
        self._hooks: set[tuple[str, int, str]] = set()
        self.functions = 0
        self.hold = 0.0

    def look(self, *, young: bool = False) -> Iterator[None]:
        """Go through what is alive; yields in between.

        Args:
            young: only what was made lately, which is cheap.
        """
        began = time.perf_counter()
        if young:
            alive = gc.get_objects(0) + gc.get_objects(1)
        else:
            alive = gc.get_objects()
            self.hold = time.perf_counter() - began
        count = 0
        news: dict[str, list[tuple[str, int, str]]] = defaultdict(list)
        while alive:
            # What is done with is let go at once: among it may be tensors.
            chunk = alive[-_CHUNK:]
            del alive[-_CHUNK:]
            kinds = list(map(type, chunk))
            functions = list(compress(chunk, map(is_, kinds, repeat(FunctionType))))
            tables = list(compress(chunk, map(is_, kinds, repeat(OrderedDict))))
            self._learn(kinds)
            objects = [chunk[place] for place, kind in enumerate(kinds) if kind in self._kinds]
            del chunk
            yield
            for each in functions:
                count += 1
                code = each.__code__
                known = self._seen.get(id(code))
                if known is None or known() is not code:
                    self._seen[id(code)] = ref(code)
                    news[code.co_filename].append(
                        (code.co_qualname, code.co_firstlineno, of_function_code(code))
                    )
                    yield
            for table in tables:
                self._table(table)
            for thing in objects:
                self._object(thing)
        for file, codes in news.items():
            self._notes.write("codes", file=file, codes=codes)
            yield
        if not young:
            self.functions = count

    def _learn(self, kinds: list[type]) -> None:
        """Decide about types that were not met before."""
        for kind in set(kinds) - self._known_kinds:
            self._known_kinds.add(kind)
            if self._wanted(kind):
                self._kinds.add(kind)

    def _table(self, table: OrderedDict[object, object]) -> None:
        """Tell of hooks: tables from a number to something that is called."""
        try:
            items = list(table.items())
        except RuntimeError:
            return  # it is being changed just now
        if not items or any(type(key) is not int for key, _ in items):
            return
        for _, hook in items:
            for code in describe.codes(hook):
                key = (code.co_filename, code.co_firstlineno, code.co_qualname)
                if key not in self._hooks and len(self._hooks) < _MOST_HOOKS:
                    self._hooks.add(key)
                    self._notes.write("hook", place="a table of hooks", codes=[describe.described(code)])
