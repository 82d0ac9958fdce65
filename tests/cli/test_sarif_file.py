"""`--sarif FILE`: written whole, also when there is no verdict, and never at the price of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def run_of(path: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["runs"][0]
    return run


def test_a_changed_checkpoint_is_a_result_at_its_file(veristep: Any, tmp_path: Path) -> None:
    path = veristep.folder / "out/epoch1.pt"
    before = path.read_bytes()
    try:
        path.write_bytes(before + b"x")
        done = veristep("verify", path, "--sarif", tmp_path / "found.sarif")
    finally:
        path.write_bytes(before)
    assert done.returncode == 1
    run = run_of(tmp_path / "found.sarif")
    assert run["invocations"][0]["exitCode"] == 1
    (result,) = run["results"]
    assert result["ruleId"] == "FILE001"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == path.as_uri()


def test_what_the_record_does_not_know_is_told_as_not_checked(veristep: Any, tmp_path: Path) -> None:
    (tmp_path / "other.pt").write_bytes(b"other")
    done = veristep("verify", tmp_path / "other.pt", "--sarif", tmp_path / "found.sarif")
    assert done.returncode == 3
    (invocation,) = run_of(tmp_path / "found.sarif")["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "not_covered" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_an_error_stands_in_the_log(veristep: Any, tmp_path: Path) -> None:
    done = veristep("audit", "nothing-like-it", "--sarif", tmp_path / "found.sarif")
    assert done.returncode == 2
    (invocation,) = run_of(tmp_path / "found.sarif")["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "nothing-like-it" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_a_log_that_cannot_be_written_is_an_error_with_a_hint(veristep: Any, tmp_path: Path) -> None:
    done = veristep("verify", "out/epoch1.pt", "--sarif", tmp_path / "no" / "such" / "found.sarif")
    assert done.returncode == 4
    assert "could not be written" in done.stderr
    assert "folder that exists" in done.stderr
