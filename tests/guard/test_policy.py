"""The policy: what is named narrowly wins, an ignore says why and expires, a mistake is an error."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from veristep.core.verdicts import Finding, Severity
from veristep.errors import UsageError
from veristep.guard.policy import Action, Policy, find, parse

TODAY = date(2026, 11, 25)


def finding(rule: str, path: str = "") -> Finding:
    return Finding(rule, Severity.ERROR, "wrong", evidence={"path": path} if path else {})


def test_a_rule_wins_over_its_family() -> None:
    policy = parse({"rules": {"ENV": "off", "ENV002": "block"}}, "t")
    assert policy.action("ENV001") is Action.OFF
    assert policy.action("ENV002") is Action.BLOCK
    assert policy.action("LOAD001") is Action.ALERT
    assert [each.rule for each in policy.apply([finding("ENV001"), finding("ENV002")], TODAY)] == ["ENV002"]


def test_an_ignored_finding_stays_on_record_with_its_reason_until_it_expires() -> None:
    ignore = {"rule": "ENV004", "path": "/opt/*", "reason": "ours", "expires": TODAY}
    policy = parse({"ignore": [ignore]}, "t")
    (noted,) = policy.apply([finding("ENV004", "/opt/x.pth")], TODAY)
    assert noted.severity is Severity.INFO
    assert noted.evidence["ignored"] == "ours"
    for other in (finding("ENV004", "/home/x.pth"), finding("ENV004"), finding("ENV001", "/opt/x")):
        assert policy.apply([other], TODAY)[0].severity is Severity.ERROR
    later = policy.apply([finding("ENV004", "/opt/x.pth")], date(2026, 11, 26))
    assert later[0].severity is Severity.ERROR


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"rule": {}}, "did you mean 'rules'"),
        ({"rules": {"ENV": "yes"}}, "none of off, record, alert, pause, stop, block"),
        ({"ignore": [{"rule": "ENV", "reason": "x"}]}, "a date on which it expires"),
        (
            {"ignore": [{"rule": "ENV", "reason": "x", "expires": TODAY, "paths": "x"}]},
            "did you mean 'path'",
        ),
        ({"rules": 3}, "not a table"),
    ],
)
def test_a_mistake_is_named_with_the_nearest_word(value: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(value, "veristep.toml")
    assert says in f"{caught.value.message} {caught.value.hint}"


def test_the_nearest_file_holds(tmp_path: Path) -> None:
    inner = tmp_path / "a/b"
    inner.mkdir(parents=True)
    assert find(inner) == Policy()
    (tmp_path / "pyproject.toml").write_text('[tool.veristep.rules]\nENV = "record"\n', encoding="utf-8")
    assert find(inner).action("ENV001") is Action.RECORD
    (tmp_path / "a/veristep.toml").write_text('[rules]\nENV = "block"\n', encoding="utf-8")
    assert find(inner).action("ENV001") is Action.BLOCK
    (tmp_path / "a/veristep.toml").write_text("[rules\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is not TOML"):
        find(inner)


def test_patterns_of_protected_files_are_meant_beside_the_policy() -> None:
    protect = {"paths": ["base/*.pt", "/models/*"], "approvers": "signers"}
    policy = parse({"protect": protect, "data": {"manifests": ["set"]}}, "/work/veristep.toml")
    assert policy.protect.covers("/work/base/a.pt")
    assert policy.protect.covers("/models/a.pt")
    assert not policy.protect.covers("/work/a.pt")
    assert (policy.protect.approvers, policy.data) == ("/work/signers", ("set",))


@pytest.mark.parametrize("value", [{"protect": {"path": []}}, {"data": {"manifests": "set"}}, {"data": 1}])
def test_a_section_that_means_nothing_is_named(value: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"veristep\.toml"):
        parse(value, "veristep.toml")


def test_an_ignore_that_has_expired_is_said_with_its_reason() -> None:
    ignore = {"rule": "ENV", "reason": "ours", "expires": date(2026, 1, 1)}
    (counted,) = parse({"ignore": [ignore]}, "t").apply([finding("ENV001")], TODAY)
    assert counted.severity is Severity.ERROR
    assert counted.evidence["ignore_expired"] == "ours; expired on 2026-01-01"
    # A family is named whole: ENV00 is none, and ENV001 is not ENV0011.
    for rule in ("EN", "ENV00", "ENV0011"):
        one = {"rule": rule, "reason": "ours", "expires": date(2027, 1, 1)}
        assert parse({"ignore": [one]}, "t").apply([finding("ENV001")], TODAY)[0].severity is Severity.ERROR


def test_who_is_told_is_named_with_how(tmp_path: Path) -> None:
    source = str(tmp_path / "veristep.toml")
    tell = {"quiet": True, "people": ["a@b", "c"], "command": ["./tell", "-x"]}
    policy = parse({"tell": tell, "stop": {"grace_seconds": 5}}, source)
    assert policy.tell.quiet
    assert policy.tell.command == (f"{tmp_path}/tell", "-x")
    assert policy.grace_seconds == 5
    assert parse({"tell": {"command": ["mail", "-s", "x"]}}, source).tell.command[0] == "mail"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"tell": {"people": ["a"]}}, "no command that reaches them"),
        ({"tell": {"quiet": "yes"}}, "neither true nor false"),
        ({"tell": {"peoples": []}}, "did you mean 'people'"),
        ({"stop": {"grace_seconds": -1}}, "no number from 0"),
        ({"stop": {"grace_seconds": True}}, "no number from 0"),
        ({"ignore": [{"rule": "ENV", "expires": TODAY}]}, "without reason"),
        ({"ignore": [{"rule": "ENV", "reason": "", "expires": TODAY}]}, "without reason"),
    ],
)
def test_a_mistake_in_who_is_told_or_what_is_ignored_is_named(value: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(value, "veristep.toml")
    assert says in f"{caught.value.message} {caught.value.hint}"
