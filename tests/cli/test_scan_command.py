"""`veristep scan` says of every file below a path how it ended, in every form."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner

from veristep.cli.main import cli

EVIL = b"\x80\x02cos\nsystem\nX\x01\0\0\0x\x85R."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "artifacts"
    (made / "inner").mkdir(parents=True)
    (made / "a.pkl").write_bytes(pickle.dumps({"w": [1.0]}))
    (made / "inner" / "odd\n\x1b[31mname.pkl").write_bytes(EVIL)
    (made / "back").symlink_to(made)
    return made


def _ran(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["scan", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return int(done.return_value), done.output


def test_nothing_is_skipped_and_names_do_not_reach_the_terminal(folder: Path) -> None:
    status, output = _ran(str(folder), "-j", "2")
    assert status == 1
    assert "posix.system" not in output and "os.system" in output
    assert "\x1b" not in output and "odd\\x0a\\x1b[31mname.pkl" in output
    assert "2 of 3 files" in output
    assert "a symbolic link to a folder, which is not followed" in output


def test_json_and_sarif_tell_the_same(folder: Path, tmp_path: Path) -> None:
    status, output = _ran(str(folder), "--json", "--sarif", str(tmp_path / "a.sarif"))
    found = json.loads(output)
    assert [each["outcome"] for each in found["files"]] == ["allow", "unknown", "deny"]
    log = json.loads((tmp_path / "a.sarif").read_text())
    rules = {each["ruleId"] for each in log["runs"][0]["results"]}
    assert status == 1
    assert rules == {each["rule"] for each in found["findings"]} == {"LOAD050", "LOAD065"}


def test_unknown_alone_ends_with_3_or_as_asked(folder: Path) -> None:
    link = str(folder / "a.pkl")
    assert _ran(link)[0] == 0
    (folder / "mine.pkl").write_bytes(b"\x80\x02cmine\nNet\n)R.")
    mine = str(folder / "mine.pkl")
    assert _ran(mine)[0] == 3
    assert _ran(mine, "--fail-on", "warning")[0] == 1
    names = folder / "names.txt"
    names.write_text("mine: Net\n")
    assert _ran(mine, "--profile", str(names))[0] == 0
