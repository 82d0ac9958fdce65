"""The documents name what exists: commands, rules, files, and each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from veristep.cli.main import COMMANDS, cli

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
COMMAND = re.compile(r"`?veristep ([a-z]+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
RULE = re.compile(r"\"([A-Z]{3,4}\d{3})\"")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    in_code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.S))
    assert set(COMMAND.findall(in_code)) <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    rules = {rule for text in sources for rule in RULE.findall(text)}
    assert rules == {path.stem for path in (ROOT / "docs" / "rules").glob("*.md")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 4


def test_options_the_readme_shows_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in re.findall(r"^veristep ([a-z]+)([^#\n]*)", text, re.M):
        name, rest = line
        help_text = CliRunner().invoke(cli, [name, "--help"]).output
        for option in re.findall(r"(?<= )--?[a-z]+", rest.split(" -- ")[0]):
            assert option in help_text, (name, option)
