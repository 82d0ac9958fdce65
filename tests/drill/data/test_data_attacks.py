"""Every rehearsed attack on data is found by its rule at its file; by a check, and beside a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datarun import DataRun
from locked_data import Data
from veristep.core.verdicts import Finding, Severity
from veristep.drill.attack import Attack, family
from veristep.supervise.data import watching

DURING = [each for each in family("data") if each.rule == "DATA005"]
BEFORE = [each for each in family("data") if each.rule != "DATA005"]


def named(found: list[Finding], attack: Attack, path: Path) -> list[Finding]:
    return [each for each in found if each.rule == attack.rule and each.evidence["path"] == str(path)]


@pytest.mark.parametrize("attack", BEFORE, ids=lambda attack: attack.name)
def test_a_check_finds_the_attack_by_its_rule_at_its_file(data: Data, attack: Attack) -> None:
    data.lock()
    path = attack.plant(data.folder)
    found = list(data.check().findings)
    (finding,) = named(found, attack, path)
    suspects = {each.what: each.value for each in finding.suspects}
    assert suspects["file"] == str(path)
    assert {"owner", "changed"} <= suspects.keys()


@pytest.mark.parametrize("attack", family("data"), ids=lambda attack: attack.name)
def test_a_run_is_told_of_the_attack(data: Data, attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SWEEP_SECONDS", 0.02)
    data.lock()
    run = DataRun(data)
    if attack in DURING:
        run.swept()
    path = attack.plant(data.folder)
    if path.exists():
        run.opened(path)
    found = _until(run, lambda: bool(run.found))
    # Beside a run, what is gone or changed is what counts; a file that was added, when it is read.
    (finding,) = named(found, attack, path)
    assert finding.severity is not Severity.INFO


def _until(run: DataRun, ready: Callable[[], bool]) -> list[Finding]:
    deadline = time.monotonic() + 2
    while not ready() and time.monotonic() < deadline:
        run.found += run.check.look()
        time.sleep(0.01)
    return run.end()
