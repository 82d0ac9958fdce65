"""`veristep artifact`: signatures that let protected files change."""

from __future__ import annotations

from pathlib import Path

import click

from veristep.cli import render
from veristep.cli.options import json_option, ledger_option, ledger_path_or_default
from veristep.errors import ExitStatus


@click.group("artifact")
def command() -> None:
    """Sign, and list what was signed of, files that change only with a second person's signature."""


@command.command("approve")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key",
    "key_path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your Ed25519 SSH key (its public half where an agent holds it), or a key file of Veristep's.",
)
@click.option("--reason", default="", help="Why this content is right; stands in the ledger.")
@ledger_option
@json_option
def approve(path: Path, key_path: Path, reason: str, ledger_path: Path | None, as_json: bool) -> int:
    """Sign the content that PATH has now, and put the signature into the ledger.

    Who counts is said by [protect] in veristep.toml: two people whose keys are enrolled, or one for a file
    that a recorded run wrote. Any further change needs new signatures.
    """
    from veristep.case.origin import read_file
    from veristep.core.verdicts import SCHEMA
    from veristep.guard import policy
    from veristep.ledger import sshsig
    from veristep.ledger.log import Ledger
    from veristep.supervise.artifacts import approvals

    rules = policy.find(Path.cwd())
    file = read_file(path)
    with Ledger.open(ledger_path_or_default(ledger_path), create=True) as ledger:
        given, receipt = approvals.give(ledger, file.also_known_as, file.sha256, reason, key_path)
        people = approvals.enrolled(rules.protect.approvers) if rules.protect.approvers else {}
    name = people.get(given.public, "")
    key = sshsig.public_text(given.public)
    if as_json:
        said = {"path": given.path, "sha256": given.sha256, "key": key, "approver": name}
        render.as_json({"schema": SCHEMA, **said, "entry": receipt.index})
        return int(ExitStatus.CLEAN)
    render.out(f"signed   {given.path}")
    render.out(f"content  sha256 {given.sha256}")
    render.out(f"key      {key} (entry {receipt.index})")
    if not rules.protect.covers(given.path) and not rules.protect.covers(file.path):
        render.note(f"no policy here protects {path}: [protect] paths in veristep.toml")
    if not name:
        render.note("the key is not enrolled, so the signature counts for nothing: [protect] approvers")
    return int(ExitStatus.CLEAN)


@command.command("approvals")
@ledger_option
@json_option
def listed(ledger_path: Path | None, as_json: bool) -> int:
    """List the signatures in the ledger that hold."""
    from veristep.case.wording import plain
    from veristep.core.verdicts import SCHEMA
    from veristep.ledger import sshsig
    from veristep.ledger.log import Ledger
    from veristep.supervise.artifacts import approvals

    with Ledger.open(ledger_path_or_default(ledger_path)) as ledger:
        found = approvals.read(ledger)
    if as_json:
        rows = [
            {
                "entry": each.index,
                "path": plain(each.path),
                "sha256": each.sha256,
                "key": sshsig.public_text(each.public),
                "reason": plain(each.reason),
            }
            for each in found
        ]
        render.as_json({"schema": SCHEMA, "approvals": rows})
        return int(ExitStatus.CLEAN)
    table = [
        (str(each.index), plain(each.path), each.sha256[:16], sshsig.public_text(each.public), why)
        for each, why in ((each, plain(each.reason)) for each in found)
    ]
    render.table(("entry", "path", "sha256", "key", "reason"), table)
    return int(ExitStatus.CLEAN)
