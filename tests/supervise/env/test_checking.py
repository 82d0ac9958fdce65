"""An environment is checked from outside it, by `env check` and beside a run, against what is on record."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from environments import make_environment, site_of
from veristep.core.verdicts import Severity, Verdict
from veristep.guard.env import layout
from veristep.guard.policy import Policy, parse
from veristep.ledger.log import Ledger
from veristep.supervise.checks.environment import EnvironmentCheck, script_folder
from veristep.supervise.checks.protocol import Subject
from veristep.supervise.env import checking, locking


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Ledger.open(tmp_path / "ledger", create=True) as opened:
        yield opened


def test_nothing_of_the_environment_runs_while_it_is_checked(ledger: Ledger, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    locking._record(ledger, reference)
    mark = tmp_path / "mark"
    (site_of(prefix) / "x.pth").write_text(f"import pathlib; pathlib.Path({str(mark)!r}).touch()\n")
    (site_of(prefix) / "sitecustomize.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (site_of(prefix) / "json.py").write_text(f"open({str(mark)!r}, 'w')\n")
    result, _ = checking.check(ledger, layout.of_folder(prefix), byte_code=False)
    assert {"ENV003", "ENV007", "ENV008"} <= {each.rule for each in result.findings}
    assert result.verdict is Verdict.VIOLATED
    assert not mark.exists()


def test_a_later_look_reads_only_what_changed_and_finds_it(ledger: Ledger, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    locking._record(ledger, reference)
    found = layout.of_folder(prefix)
    # What was changed less than a second ago is not relied on.
    time.sleep(1.1)
    result, first = checking.check(ledger, found, byte_code=False)
    # One of its distributions came from a folder.
    assert (result.verdict, result.findings) == (Verdict.UNVERIFIED, ())
    assert first.read == first.files
    _, second = checking.check(ledger, found, byte_code=False)
    assert second.read == 0
    (site_of(prefix) / "parts/core.py").write_text("STEP = 0.5\n")
    result, third = checking.check(ledger, found, byte_code=False)
    assert third.read == 1
    assert [each.rule for each in result.findings] == ["ENV001"]


def test_an_environment_that_was_not_locked_is_not_called_checked(ledger: Ledger, tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    result, _ = checking.check(ledger, layout.of_folder(prefix), byte_code=False)
    assert result.verdict is Verdict.NOT_COVERED
    assert "veristep env lock" in result.reason


def test_a_run_finds_what_was_edited_and_says_what_it_checked(ledger: Ledger, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    locking._record(ledger, reference)
    path = site_of(prefix) / "parts/lazy.py"
    path.write_text("x = 1\n")
    command = (str(prefix / "bin/python3"), "train.py")
    subject = Subject(
        "run", "p", command, tmp_path, tmp_path, {"HOME": str(tmp_path)}, tmp_path, ledger, Policy()
    )
    check = EnvironmentCheck(subject)
    found = [*check.before(), *check.finish()]
    assert [(each.rule, each.evidence["path"]) for each in found] == [("ENV001", str(path))]
    assert check.coverage()["files"].checked == check.coverage()["files"].total > 0


def test_a_run_whose_environment_cannot_be_told_says_so(ledger: Ledger, tmp_path: Path) -> None:
    subject = Subject("run", "p", ("/bin/sh",), tmp_path, tmp_path, {}, tmp_path, ledger, Policy())
    check = EnvironmentCheck(subject)
    assert [*check.before(), *check.finish()] == []
    (tally,) = check.coverage().values()
    assert (tally.total, tally.checked) == (1, 0)


def test_the_folder_that_is_searched_first_is_told_from_the_command(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").touch()
    assert script_folder(["torchrun", "--nproc", "2", "code/train.py"], tmp_path) == str(tmp_path / "code")
    assert script_folder(["python", "-m", "train"], tmp_path) == str(tmp_path)


@pytest.mark.long
def test_a_full_environment_raises_no_alarm(ledger: Ledger) -> None:
    """Every wheel of this environment is fetched: it takes minutes, and a registry."""
    found = layout.of_folder(Path(sys.prefix))
    locking.lock(ledger, found, lambda _text: None)
    result, _ = checking.check(ledger, found)
    assert result.findings == ()
    assert result.coverage["files"].checked > 20_000


def test_the_policy_of_the_folder_says_what_is_lived_with(ledger: Ledger, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    locking._record(ledger, reference)
    (site_of(prefix) / "parts/lazy.py").unlink()
    found = layout.of_folder(prefix)
    result, _ = checking.check(ledger, found, byte_code=False)
    assert [(each.rule, each.severity) for each in result.findings] == [("ENV002", Severity.ERROR)]
    ignore = {"rule": "ENV002", "path": "*/lazy.py", "reason": "ours", "expires": date(2999, 1, 1)}
    result, _ = checking.check(ledger, found, byte_code=False, rules=parse({"ignore": [ignore]}, "t"))
    assert [(each.rule, each.severity) for each in result.findings] == [("ENV002", Severity.INFO)]
    assert result.verdict is not Verdict.VIOLATED
