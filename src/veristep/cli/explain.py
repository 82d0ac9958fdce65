"""`veristep explain RULE`: what a rule means, and what to do about its findings."""

from __future__ import annotations

from difflib import get_close_matches

import click

from veristep.cli import render
from veristep.cli.options import json_option
from veristep.core.verdicts import SCHEMA
from veristep.errors import NotFoundError


@click.command("explain")
@click.argument("rule", required=False)
@json_option
def command(rule: str | None, as_json: bool) -> int:
    """Print the page of RULE, such as RPL001; without one, list all rules."""
    from veristep.case import rules

    if rule is None:
        pages = [rules.page(each) for each in rules.known()]
        if as_json:
            render.as_json({"schema": SCHEMA, "rules": [{"rule": p.rule, "title": p.title} for p in pages]})
        else:
            render.table(("rule", "what it finds"), [(page.rule, page.title) for page in pages])
        return 0
    name = rule.upper()
    if name not in rules.known():
        near = get_close_matches(name, rules.known(), n=1)
        hint = f"did you mean {near[0]}?" if near else "veristep explain lists them all"
        raise NotFoundError(f"there is no rule {rule!r}", hint=hint)
    page = rules.page(name)
    if as_json:
        render.as_json({"schema": SCHEMA, "rule": page.rule, "title": page.title, "page": page.text})
    else:
        render.out(page.text.rstrip())
    return 0
