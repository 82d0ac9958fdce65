"""Each rehearsed artifact is refused under its rule, with the file named, and does nothing meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from veristep.drill.attack import Attack, family
from veristep.guard.scan import every
from veristep.scan.scanner import Scanner
from veristep.scan.seen import Outcome


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    with Scanner() as made:
        yield made


@pytest.mark.parametrize("attack", family("scan"), ids=lambda each: each.name)
def test_the_attack_is_found_by_its_rule(attack: Attack, scanner: Scanner, tmp_path: Path) -> None:
    path = attack.plant(tmp_path)
    report = scanner.scan(path)
    assert report.outcome is not Outcome.ALLOW
    found = [each for each in every.findings(report) if each.rule == attack.rule]
    assert found
    assert found[0].evidence["path"] == str(path)
    assert list(tmp_path.iterdir()) == [path]
