"""What a check of the whole ledger found, and how findings are gathered."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from veristep.errors import VeristepError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_PROBLEMS = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not what it has to be: what, where, and the two values that differ."""

    what: str
    where: str
    expected: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True)
class FsckReport:
    """The result of `fsck`.

    Attributes:
        problems: everything found, in the order of checking.
        checked: how many of each thing were checked.
        not_checked: what was not, and why. A ledger is only as clean as this is short.
    """

    problems: tuple[Problem, ...]
    checked: Mapping[str, int]
    not_checked: tuple[str, ...]


class Gathering:
    """Gathers findings while the checks run."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._checked: Counter[str] = Counter()
        self._not_checked: list[str] = []
        self._left_out = 0

    def problem(self, what: str, where: str, expected: object = "", got: object = "") -> None:
        """Add a problem; beyond the first thousand they are only counted."""
        if len(self._problems) >= MAX_PROBLEMS:
            self._left_out += 1
            return
        self._problems.append(Problem(what, where, str(expected), str(got)))

    def checked(self, what: str, number: int = 1) -> None:
        """Count things that were checked, whatever the outcome."""
        self._checked[what] += number

    def not_checked(self, what: str) -> None:
        """Add something that was not checked, and why."""
        self._not_checked.append(what)

    @contextmanager
    def stage(self, where: str) -> Iterator[None]:
        """Run a check that ends early at the first thing that makes going on pointless."""
        try:
            yield
        except VeristepError as error:
            self.problem(error.message, where)
        # All that is read here may have been written by an attacker: whatever a check trips over
        # is itself the finding, and must not keep the other checks from running.
        except Exception as error:  # noqa: BLE001
            self.problem(f"cannot be checked: {type(error).__name__}: {error}", where)

    def report(self) -> FsckReport:
        """Return what was gathered."""
        not_checked = list(self._not_checked)
        if self._left_out:
            not_checked.append(f"{self._left_out} more problems are counted, not listed")
        return FsckReport(tuple(self._problems), MappingProxyType(dict(self._checked)), tuple(not_checked))
