"""Checks of a run: what they find is on record, what fails is a gap, and neither reaches the training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from veristep.core.checks import Tally
from veristep.core.verdicts import Finding, Severity
from veristep.guard.policy import parse
from veristep.guard.rule import Rule
from veristep.ledger.log import Ledger
from veristep.supervise.checks.protocol import Check, Subject
from veristep.supervise.guarding import Guarding

RULE = Rule("ENV999", "a test")


def subject(rules: Mapping[str, str]) -> Subject:
    here, ledger = Path.cwd(), cast("Ledger", None)
    return Subject("run", "p", ("x",), here, here, {}, here, ledger, parse({"rules": rules}, "t"))


class Finds(Check):
    name = "finds"

    def __init__(self, subject: Subject) -> None:
        self.heard = 0

    def before(self) -> list[Finding]:
        return [RULE.finding("before"), RULE.finding("a note", severity=Severity.INFO)]

    def hear(self, line: Mapping[str, Any]) -> list[Finding]:
        self.heard += 1
        return [RULE.finding(str(line["said"]))]

    def coverage(self) -> Mapping[str, Tally]:
        return {"lines": Tally(self.heard, self.heard)}


class Fails(Finds):
    name = "fails"

    def before(self) -> list[Finding]:
        raise RuntimeError("no")


def test_findings_are_told_once_and_named_after_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    guarding = Guarding(subject({}), lambda _name, _why: None, [Finds])
    guarding.before()
    guarding.hear({"said": "heard"})
    found = guarding.findings()
    assert [each.summary for each in found] == ["before", "a note", "heard"]
    assert {each.run for each in found} == {"run"}
    assert guarding.findings() == []
    told = capfd.readouterr().err
    assert "error[ENV999]: run run: before" in told
    assert "a note" not in told
    line = guarding.finish()
    assert line["coverage"] == {"finds": {"lines": Tally(1, 1).to_json()}}


def test_a_check_that_fails_is_a_gap_and_asked_again() -> None:
    gaps: list[str] = []
    guarding = Guarding(subject({}), lambda name, why: gaps.append(f"{name}: {why}"), [Fails, Finds])
    guarding.before()
    # A line without `said` makes hearing fail; the next one is heard all the same.
    guarding.hear({})
    guarding.hear({"said": "later"})
    assert sorted({each.summary for each in guarding.findings()}) == ["a note", "before", "later"]
    assert len(gaps) == 2
    assert guarding.finish()["failed"] == ["fails", "finds"]


def test_a_rule_that_is_only_recorded_is_not_told_and_one_that_is_off_is_not_found(
    capfd: pytest.CaptureFixture[str],
) -> None:
    guarding = Guarding(subject({"ENV": "record"}), lambda _name, _why: None, [Finds])
    guarding.before()
    assert len(guarding.findings()) == 2
    assert capfd.readouterr().err == ""
    guarding = Guarding(subject({"ENV999": "off"}), lambda _name, _why: None, [Finds])
    guarding.before()
    assert guarding.findings() == []
