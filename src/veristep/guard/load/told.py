"""What a gate told, made into findings: whose line asked, which file, who could have written it.

For the supervisor: nothing here is imported in a training process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from veristep.core.canonical import Json
from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard import suspects
from veristep.guard.rule import Rule

Notice = Mapping[str, Any]


def finding(rule: Rule, notice: Notice, summary: str, *, severity: Severity | None = None) -> Finding:
    """Return the finding that a notice makes of a rule.

    Args:
        rule: it falls under.
        notice: as the gate sent it, checked by nobody.
        summary: what happened, in a sentence.
        severity: if another than the rule's.
    """
    artifact = _mapping(notice.get("artifact"))
    path = str(artifact.get("path", ""))
    evidence: dict[str, Json] = {
        "path": path or str(notice.get("file", "")),
        "got": call(notice),
        "detail": str(notice.get("why", "")),
        "digest": str(artifact.get("digest", "")),
        "source": str(notice.get("source", "")),
        "loader": str(notice.get("loader", "")),
        "caller": f"{notice.get('file', '')}:{notice.get('line', 0)}",
        "function": str(notice.get("function", "")),
        "refused": bool(notice.get("refused")),
        "pid": _number(notice.get("peer_pid")),
    }
    if not path:
        evidence["line"] = _number(notice.get("line"))
    rank = str(notice.get("rank", ""))
    made = rule.finding(
        summary,
        severity=severity,
        suspects=_suspects(notice, artifact),
        rank=int(rank) if rank.isdecimal() else None,
    )
    return replace(made, evidence=evidence)


def call(notice: Notice) -> str:
    """Return what was named, with the arguments it would have been given where seen; or what happened."""
    if notice.get("act"):
        return str(notice["act"])
    return f"{notice.get('module', '')}.{notice.get('name', '')}{notice.get('arguments', '')}"


def subject(notice: Notice) -> str:
    """Return what was loaded, in words."""
    path = str(_mapping(notice.get("artifact")).get("path", ""))
    if path:
        return path
    return f"what {notice.get('file', 'a process')}:{notice.get('line', 0)} loads"


def outcome(notice: Notice) -> str:
    """Return what became of the load, in words."""
    return "refused before it ran" if notice.get("refused") else "it was let pass"


def _suspects(notice: Notice, artifact: Mapping[str, Any]) -> tuple[Suspect, ...]:
    found: list[Suspect] = []
    path, status = str(artifact.get("path", "")), _mapping(artifact.get("status"))
    if path:
        found.append(Suspect("file", path, str(artifact.get("how", ""))))
    if {"uid", "gid", "mode", "ctime_ns"} <= set(status):
        found += suspects.of_status(
            _number(status["uid"]),
            _number(status["gid"]),
            _number(status["mode"]),
            _number(status["ctime_ns"]),
        )
    if notice.get("file"):
        where = f"{notice.get('file')}:{notice.get('line', 0)}"
        found.append(Suspect("caller", where, f"{notice.get('function', '')} asked for the load"))
    if notice.get("peer_pid"):
        found.append(Suspect("process", str(notice["peer_pid"]), "the kernel's word for who told of it"))
    return tuple(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
