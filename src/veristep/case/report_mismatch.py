"""The report's close look at each mismatch: how large it is, in which direction, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from veristep.case import page
from veristep.case.measured import Measured, in_words, measured
from veristep.case.scatter import scatter
from veristep.case.wording import plain

if TYPE_CHECKING:
    from veristep.core.verdicts import Finding

_DRAWN = 12


def mismatches(found: tuple[Finding, ...]) -> str:
    """Return a picture and the measures of each finding that has them; nothing when none has."""
    known = [(each, value) for each in found if (value := measured(each.evidence)) is not None]
    if not known:
        return ""
    figures = "".join(_figure(finding, value) for finding, value in known[:_DRAWN])
    left = len(known) - _DRAWN
    more = f'<p class="dim">and {left} more</p>' if left > 0 else ""
    about = (
        '<p class="dim">Each dot is a sampled coordinate of the parameters: across, what the step does to '
        "it in the replay; upwards, what the run recorded. On the dashed line both are the same.</p>"
    )
    return page.card("The mismatches, close up", about + figures + more)


def _figure(finding: Finding, value: Measured) -> str:
    evidence = finding.evidence
    what = plain(evidence.get("what"))
    label = f"recorded over replayed {value.of} of {plain(value.tensors[0]) if value.tensors else ''}"
    pairs = [
        ("where", page.text(f"step {finding.step}, rank {finding.rank}")),
        ("first input that differs", page.text(what)),
        ("size and direction", page.text(in_words(value))),
        ("tensors", page.code(", ".join(map(plain, _list(evidence.get("tensors")))))),
        ("compared in full since", page.text(f"step {plain(evidence.get('certain_since'))}")),
    ]
    interval = _list(evidence.get("interval"))
    if len(interval) == len(("start", "stop")):
        pairs.append(("interval", page.text(f"steps {plain(interval[0])} to before {plain(interval[1])}")))
    if evidence.get("detail"):
        pairs.append(("detail", page.text(plain(evidence["detail"]))))
    picture = scatter(value.recorded, value.replayed, label)
    return f'<div class="figure">{picture}{page.definitions(pairs)}</div>'


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else []
