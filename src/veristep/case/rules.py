"""The pages of the rules: what a rule means, for whoever reads a finding elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import veristep

_PACKAGE = Path(veristep.__file__).parent
# Installed, the pages lie in the package; in a checkout, where they are written.
_FOLDERS = (_PACKAGE / "rules", _PACKAGE.parent.parent / "docs" / "rules")
_ID = re.compile(r"[A-Z]+[0-9]{3}")
_TITLE = re.compile(r"^# [A-Z]+[0-9]+: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class RulePage:
    """One page of ``docs/rules``.

    Attributes:
        rule: its id.
        title: what it says, in a few words; the id when there is no page.
        text: the page, Markdown; empty when there is none.
    """

    rule: str
    title: str
    text: str = ""

    @property
    def summary(self) -> str:
        """The first paragraph that is neither a heading nor about severity."""
        for paragraph in self.text.split("\n\n"):
            line = paragraph.strip().replace("\n", " ")
            if line and not line.startswith(("#", "**", "```", "|")):
                return line
        return self.title


def known() -> list[str]:
    """Return the ids of all rules that have a page, in order."""
    found = {path.stem for folder in _FOLDERS for path in folder.glob("*.md")}
    return sorted(each for each in found if _ID.fullmatch(each))


def page(rule: str) -> RulePage:
    """Return the page of a rule."""
    for folder in _FOLDERS:
        try:
            text = (folder / f"{rule}.md").read_text(encoding="utf-8")
        except OSError:
            continue
        title = _TITLE.search(text)
        return RulePage(rule, title[1] if title else rule, text)
    return RulePage(rule, rule)
