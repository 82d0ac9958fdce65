"""STEP008: a known-answer step has another answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from veristep.core.canonical import Json, encode
from veristep.core.verdicts import Finding
from veristep.guard.rule import Rule
from veristep.guard.step.told import place

RULE = Rule("STEP008", "a known-answer step has another answer")
ENTRY = "step.answer"


def name(line: Mapping[str, Any]) -> str:
    """Return the name of what answers depend on: build, threads, instruction set, processor."""
    key = line.get("key")
    return hashlib.sha256(encode(dict(key) if isinstance(key, Mapping) else {})).hexdigest()


def body(line: Mapping[str, Any]) -> dict[str, Json]:
    """Return the body of the entry that learned answers make."""
    return {"name": name(line), "key": line.get("key"), "answers": _answers(line.get("answers"))}


def known(line: Mapping[str, Any], bodies: Iterable[Mapping[str, Any]]) -> Mapping[str, str] | None:
    """Return the answers first learned for what a line's depend on."""
    wanted = name(line)
    return next((_answers(each.get("answers")) for each in bodies if each.get("name") == wanted), None)


def of(line: Mapping[str, Any], answers: Mapping[str, str]) -> Finding | None:
    """Return the finding that answers make which are not those learned."""
    got = _answers(line.get("answers"))
    wrong = sorted(each for each in got if each in answers and answers[each] != got[each])
    if not wrong:
        return None
    return _finding(line, wrong, "as learned on this build of torch and this processor")


def of_change(line: Mapping[str, Any]) -> Finding:
    """Return the finding that answers make which have changed while a process ran."""
    wrong = [str(each) for each in line.get("changed", ())]
    return _finding(line, wrong, "as at the process's first step")


def _finding(line: Mapping[str, Any], wrong: list[str], expected: str) -> Finding:
    told = place(line)
    named = ", ".join(wrong[:6]) + (", ..." if len(wrong) > 6 else "")
    return RULE.finding(
        f"a known-answer step has another answer at step {told.step}: {named}",
        rank=told.rank,
        step=told.step,
        suspects=told.suspects,
        operations=list(wrong),
        expected=expected,
        got=f"{len(wrong)} of {len(_answers(line.get('answers')))} operations differ",
        hint="the function is patched, torch's files are edited, or the processor computes wrongly: "
        "veristep env check, then the same run on another machine",
    )


def _answers(value: object) -> dict[str, Any]:
    found = value.items() if isinstance(value, Mapping) else ()
    return {str(key): str(digest) for key, digest in found}
