"""STEP002: an update is not the optimizer's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veristep.core.verdicts import Finding
from veristep.guard.rule import Rule
from veristep.guard.step.told import place

RULE = Rule("STEP002", "an update is not the optimizer's")


def of(line: Mapping[str, Any]) -> Finding:
    """Return the finding that an update makes which a pristine optimizer computes otherwise."""
    told = place(line)
    optimizer, what = str(line.get("class", "")), str(line.get("what", ""))
    part = told.tensor if what == "parameter" else f"the state {what} of {told.tensor}"
    return RULE.finding(
        f"update {told.step} of {part} is not what {optimizer} computes: {shape(line)}",
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        tensors=[told.tensor],
        expected=str(line.get("expected", "")),
        got=str(line.get("got", "")),
        detail=f"{line.get('wrong')} of {line.get('of')} coordinates from {line.get('first')} on; "
        f"before the update: {line.get('before', '')}",
        hint=f"veristep audit --steps {told.step}",
    )


def shape(line: Mapping[str, Any]) -> str:
    """Return in words how an update differs from the one expected.

    `cosine` and `ratio` compare the two updates of the coordinates that were looked at.
    """
    cosine, ratio = line.get("cosine"), line.get("ratio")
    if not isinstance(cosine, (int, float)) or not isinstance(ratio, (int, float)):
        return "it has another value"
    if ratio == 0.0:
        return "nothing was changed"
    if cosine < -0.999:
        return "its direction is reversed" + (f", times {ratio:.3g}" if abs(ratio - 1) > 0.01 else "")
    if cosine > 0.9999 and abs(ratio - 1) > 1e-4:
        return f"its direction is right, its length is {ratio:.4g} times what it should be"
    return f"its direction is another (cosine {cosine:.3f}), its length {ratio:.3g} times what it should be"
