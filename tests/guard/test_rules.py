"""Every rule has a page, under its own title, and stands in a file of its own."""

from __future__ import annotations

import importlib
import pkgutil

import veristep.guard
from veristep.case import rules
from veristep.guard.rule import Rule


def every_rule() -> dict[str, Rule]:
    found = {}
    for module in pkgutil.walk_packages(veristep.guard.__path__, "veristep.guard."):
        if not module.name.endswith("_native"):
            rule = getattr(importlib.import_module(module.name), "RULE", None)
            if isinstance(rule, Rule):
                assert rule.id not in found, f"{rule.id} stands in two files"
                found[rule.id] = rule
    return found


def test_every_rule_has_a_page_with_its_title() -> None:
    for rule in every_rule().values():
        page = rules.page(rule.id)
        assert page.text, f"docs/rules/{rule.id}.md is missing"
        assert page.title == rule.title
