from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from veristep.scan.scanner import Scanner


@pytest.fixture(scope="session")
def scanner() -> Iterator[Scanner]:
    with Scanner() as made:
        yield made


class Payload:
    """Writes a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch {self._mark}",)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def payload(mark: Path) -> Payload:
    return Payload(mark)
