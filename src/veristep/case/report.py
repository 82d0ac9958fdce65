"""A report about one run: a single HTML file for people who were not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veristep import __version__
from veristep.case import audited, chart, page
from veristep.case.account import verdict_of
from veristep.case.audited import Standing
from veristep.case.overview import State
from veristep.case.report_charts import charts
from veristep.case.report_mismatch import mismatches
from veristep.case.report_tables import KINDS, audits, files, findings, gaps, not_checked
from veristep.case.wording import moment, plain
from veristep.core.verdicts import Verdict

if TYPE_CHECKING:
    from veristep.case.account import Account

_SYMBOLS = {"ok": "&#10003;", "bad": "&#10007;", "unsure": "?", "none": "&#8211;"}


def build(account: Account) -> str:
    """Return the report as one HTML page."""
    sections = (
        _head(account),
        _verdict(account),
        _tiles(account),
        charts(account),
        findings(account.subject.findings),
        mismatches(account.subject.findings),
        not_checked(account),
        audits(account),
        files(account.subject),
        gaps(account.subject),
        _about(account),
        _recheck(account),
    )
    return page.document(f"Veristep report: run {account.subject.overview.run}", "".join(sections))


def _head(account: Account) -> str:
    view = account.subject.overview
    command = plain(view.opened.body.get("command"))
    return (
        f"{chart.DEFINITIONS}<header><div class='brand'><b>Veristep</b> run report</div>"
        f"<h1>{page.text(view.project or view.run)} "
        f"<span class='dim mono'>{page.text(view.run)}</span></h1>"
        f"<div class='dim mono'>{page.text(command)}</div></header>\n"
    )


def _verdict(account: Account) -> str:
    verdict, sentence = verdict_of(account)
    kind = KINDS[verdict]
    word = "not audited" if verdict is Verdict.NOT_COVERED else verdict.value
    counts = audited.counts(account.spans)
    total, clean = sum(counts.values()), counts[Standing.VERIFIED]
    if verdict is Verdict.VERIFIED and clean < total:
        word += f" in {clean} of {total} intervals"
    bar = "".join(
        f'<svg width="{100 * count / total:.3f}%" height="14">'
        f'<rect width="100%" height="14" fill="url(#p-{chart.STANDING_CLASS[standing]})"/></svg>'
        for standing, count in counts.items()
        if count
    )
    legend = "".join(
        f"<span>{chart.swatch(standing)}{count} {page.text(standing.value)}</span>"
        for standing, count in counts.items()
        if count
    )
    side = (
        f'<div class="side"><div class="dim">intervals</div><div class="bar">{bar}</div>'
        f'<div class="legend">{legend}</div></div>'
        if bar
        else ""
    )
    return (
        f'<section class="card verdict {kind}"><div class="said"><div class="word {kind}">'
        f"<span aria-hidden='true'>{_SYMBOLS[kind]}</span>{page.text(word)}</div>"
        f"<p>{page.text(sentence)}</p></div>{side}</section>\n"
    )


def _tiles(account: Account) -> str:
    subject = account.subject
    view = subject.overview
    checked = sum(span.stop - span.start for span in account.spans if span.standing is Standing.VERIFIED)
    ranks = max(len(view.steps), 1)
    on_ranks = f" on {ranks} ranks" if ranks > 1 else ""
    missing, found = len(subject.gaps), len(subject.findings)
    tiles = [
        page.tile(view.standing.state.value, "state", _state_kind(view.standing.state)),
        page.tile(str(view.total_steps), f"steps sealed{on_ranks}"),
        page.tile(f"{checked * ranks}", "steps verified"),
        page.tile(str(found), "findings", "bad" if found else ""),
        page.tile(str(missing), "gaps in the record", "unsure" if missing else ""),
        page.tile(view.duration_in_words(), "duration"),
    ]
    return f'<div class="tiles">{"".join(tiles)}</div>\n'


def _state_kind(state: State) -> str:
    return {State.FAILED: "bad", State.KILLED: "bad", State.LOST: "unsure"}.get(state, "")


def _about(account: Account) -> str:
    view = account.subject.overview
    body = view.opened.body
    pairs = [
        ("run", page.code(view.run)),
        ("state", page.text(f"{view.standing.words} ({view.standing.evidence})")),
        ("started", f"{moment(view.started_ns)} UTC"),
        ("command", page.code(body.get("command"))),
        ("folder", page.code(body.get("cwd"))),
        ("code", page.text(account.subject.code)),
        ("host", page.text(f"{plain(body.get('host'))}, user {plain(body.get('user'))}")),
    ]
    software = account.subject.software
    if software:
        words = ", ".join(f"{name} {value}" for name, value in software.items() if value)
        pairs.append(("software", page.text(words)))
    return page.card("The run", page.definitions(pairs))


def _recheck(account: Account) -> str:
    run = account.subject.overview.run
    pairs = [("ledger", page.code(account.origin)), ("key", page.code(account.vkey))]
    commands = f"veristep ledger fsck\nveristep show {run}\nveristep audit {run} --all"
    return page.card(
        "Do not take this page's word for it",
        "<p>A report can be edited by whoever holds the file. The record cannot be: these commands "
        "check it again, and the checkpoint below binds it to the moment the report was made.</p>"
        f"<pre>{_lines(commands)}</pre>{page.definitions(pairs)}"
        f"<pre>{_lines(account.checkpoint)}</pre>"
        f"<footer>Made {moment(account.made_ns)} UTC by Veristep {page.text(__version__)}. "
        "Times are UTC.</footer>",
    )


def _lines(value: str) -> str:
    return "\n".join(page.text(line) for line in value.splitlines())
