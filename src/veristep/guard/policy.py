"""What is done about what: the policy in ``veristep.toml``, or ``[tool.veristep]`` of ``pyproject.toml``.

    [rules]
    ENV = "record"        # a family, or one rule; what is named more narrowly wins
    LOAD001 = "block"
    STEP = "pause"        # off, record, alert (the default), pause, stop, block

    [tell]
    quiet = true                       # nothing of findings on the job's terminal
    people = ["security@example.org"]  # handed to the command
    command = ["./tell"]               # started with their names; a finding as JSON on its standard input

    [stop]
    grace_seconds = 30                 # between SIGTERM and SIGKILL

    [[ignore]]
    rule = "ENV"
    path = "/opt/tools/*"
    reason = "the cluster's own launcher; ticket 4711"
    expires = 2027-01-31

    [data]
    manifests = ["imagenet"]          # names of locked data: what the run says that it reads

    [protect]
    paths = ["/models/base/*.pt"]     # change only with a second person's signature
    approvers = "allowed_signers"     # who may sign: a file as ssh-keygen has it, beside this one

An ignored finding stays on record as a note, with the reason; after its expiry it counts again and says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from veristep.core.verdicts import Finding, Severity
from veristep.errors import UsageError

# As Slurm waits, unless it is told otherwise.
GRACE_SECONDS = 30.0
_MOST_GRACE = 3600
FILE, PROJECT_FILE = "veristep.toml", "pyproject.toml"
_SECTIONS = ("rules", "ignore", "data", "protect", "tell", "stop")
_TELL, _STOP = ("quiet", "people", "command"), ("grace_seconds",)
_DATA, _PROTECT = ("manifests",), ("paths", "approvers")
_IGNORE = ("rule", "path", "reason", "expires")


class Action(StrEnum):
    """What is done about a finding, mildest first; only the first four never touch the training.

    Attributes:
        OFF: it is not looked for, or not kept.
        RECORD: it goes into the ledger.
        ALERT: it is told, too.
        PAUSE: the run's processes are held until a person lets them go on.
        STOP: the run is ended as a scheduler would end it.
        BLOCK: the load is refused, or the run is not started.
    """

    OFF = "off"
    RECORD = "record"
    ALERT = "alert"
    PAUSE = "pause"
    STOP = "stop"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that somebody decided to live with.

    Attributes:
        rule: id or family.
        reason: why; there has to be one.
        expires: the last day it holds.
        path: pattern of the file's path; empty for any.
    """

    rule: str
    reason: str
    expires: date
    path: str = ""

    def covers(self, finding: Finding, today: date) -> bool:
        """Whether a finding is one of them today."""
        return today <= self.expires and self.means(finding)

    def means(self, finding: Finding) -> bool:
        """Whether a finding is one of them, if it has not expired."""
        path = finding.evidence.get("path")
        fits = not self.path or (isinstance(path, str) and fnmatchcase(path, self.path))
        return fits and self.rule in (finding.rule, finding.rule.rstrip("0123456789"))


@dataclass(frozen=True, slots=True)
class Protect:
    """What changes only with a second person's signature.

    Attributes:
        paths: patterns of paths, whole ones.
        approvers: the file that names who may sign; empty when there is none.
    """

    paths: Sequence[str] = ()
    approvers: str = ""

    def covers(self, path: str) -> bool:
        """Whether a file is protected."""
        return any(fnmatchcase(path, pattern) for pattern in self.paths)


@dataclass(frozen=True, slots=True)
class Tell:
    """Who is told of findings, and where they are not.

    Attributes:
        quiet: whether the job's terminal shows none.
        people: names that mean something to the command.
        command: started for each finding; empty when there is none.
    """

    quiet: bool = False
    people: Sequence[str] = ()
    command: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about the findings of each rule.

    Attributes:
        source: the file it was read from; empty for the default.
        rules: action by rule id or family.
        ignores: findings that are lived with.
        data: names of locked data that a run says it reads.
        protect: what changes only with a second person's signature.
        tell: who is told.
        grace_seconds: between asking a run to end and ending it.
    """

    source: str = ""
    rules: Mapping[str, Action] = field(default_factory=dict)
    ignores: Sequence[Ignore] = ()
    data: Sequence[str] = ()
    protect: Protect = Protect()
    tell: Tell = Tell()
    grace_seconds: float = GRACE_SECONDS

    def action(self, rule: str, default: Action = Action.ALERT) -> Action:
        """Return what is done about a rule's findings; the rule itself wins over its family."""
        family = rule.rstrip("0123456789")
        return self.rules.get(rule) or self.rules.get(family) or default

    def apply(self, findings: Sequence[Finding], today: date) -> list[Finding]:
        """Return the findings that count; an ignored one becomes a note that says why."""
        kept = []
        for each in findings:
            if self.action(each.rule) is Action.OFF:
                continue
            ignore = next((one for one in self.ignores if one.covers(each, today)), None)
            expired = next((one for one in self.ignores if one.means(each)), None)
            if ignore is None and expired is not None:
                over = f"{expired.reason}; expired on {expired.expires}"
                each = replace(each, evidence={**each.evidence, "ignore_expired": over})  # noqa: PLW2901
            if ignore is not None:
                noted = {**each.evidence, "ignored": ignore.reason, "ignored_until": str(ignore.expires)}
                each = replace(each, severity=Severity.INFO, evidence=noted)  # noqa: PLW2901
            kept.append(each)
        return kept


def find(folder: Path) -> Policy:
    """Return the policy that holds in a folder: of the nearest file above it; the default without one.

    Raises:
        UsageError: the file cannot be read, or says something that means nothing.
    """
    path = place(folder)
    if path is None:
        return Policy()
    value = _read(path)
    return parse(value if path.name == FILE else value["tool"]["veristep"], str(path))


def place(folder: Path) -> Path | None:
    """Return the file whose policy holds in a folder, the nearest above it; None without one.

    Raises:
        UsageError: a file on the way cannot be read.
    """
    for each in (folder, *folder.parents):
        if (each / FILE).is_file():
            return each / FILE
        project = each / PROJECT_FILE
        if project.is_file() and isinstance(_read(project).get("tool", {}).get("veristep"), Mapping):
            return project
    return None


def parse(value: Mapping[str, Any], source: str) -> Policy:
    """Return the policy a configuration says.

    Raises:
        UsageError: it has an unknown key, or a value that means nothing.
    """
    _known(value, _SECTIONS, source)
    rules = value.get("rules", {})
    if not isinstance(rules, Mapping):
        raise UsageError(f"{source}: [rules] is not a table")
    actions = {str(name): _action(str(name), action, source) for name, action in rules.items()}
    entries = value.get("ignore", [])
    if not isinstance(entries, list):
        raise UsageError(f"{source}: ignore is not a list of tables", hint="write [[ignore]] before each")
    data, protect = _table(value, "data", _DATA, source), _table(value, "protect", _PROTECT, source)
    return Policy(
        source,
        actions,
        tuple(_ignore(each, source) for each in entries),
        _texts(data, "manifests", source),
        _protect(protect, source),
        _tell(_table(value, "tell", _TELL, source), source),
        _grace(_table(value, "stop", _STOP, source), source),
    )


def _protect(value: Mapping[str, Any], source: str) -> Protect:
    folder = Path(source).parent
    approvers = value.get("approvers", "")
    if not isinstance(approvers, str):
        raise UsageError(f"{source}: approvers is not a path", hint='approvers = "allowed_signers"')
    # A pattern without a folder is meant below the policy's.
    paths = tuple(str(folder / each) for each in _texts(value, "paths", source))
    return Protect(paths, str(folder / approvers) if approvers else "")


def _tell(value: Mapping[str, Any], source: str) -> Tell:
    quiet = value.get("quiet", False)
    if not isinstance(quiet, bool):
        raise UsageError(f"{source}: quiet = {quiet!r} is neither true nor false")
    people, command = _texts(value, "people", source), _texts(value, "command", source)
    if people and not command:
        raise UsageError(
            f"{source}: [tell] names people and no command that reaches them",
            hint='command = ["/usr/local/bin/tell"]: it gets their names, and findings as JSON',
        )
    if command and "/" in command[0]:
        # Beside the policy, wherever the run is started.
        command = (str(Path(source).parent / command[0]), *command[1:])
    return Tell(quiet, people, command)


def _grace(value: Mapping[str, Any], source: str) -> float:
    seconds = value.get("grace_seconds", GRACE_SECONDS)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _MOST_GRACE:
        raise UsageError(f"{source}: grace_seconds = {seconds!r} is no number from 0 to {_MOST_GRACE}")
    return float(seconds)


def _table(value: Mapping[str, Any], name: str, known: Sequence[str], source: str) -> Mapping[str, Any]:
    table = value.get(name, {})
    if not isinstance(table, Mapping):
        raise UsageError(f"{source}: [{name}] is not a table")
    _known(table, known, f"{source}: [{name}]")
    return table


def _texts(value: Mapping[str, Any], name: str, source: str) -> tuple[str, ...]:
    texts = value.get(name, [])
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise UsageError(f"{source}: {name} is not a list of texts", hint=f'{name} = ["..."]')
    return tuple(texts)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from error


def _action(rule: str, value: object, source: str) -> Action:
    try:
        return Action(str(value))
    except ValueError as error:
        known = ", ".join(Action)
        raise UsageError(f"{source}: {rule} = {value!r} is none of {known}") from error


def _ignore(value: object, source: str) -> Ignore:
    if not isinstance(value, Mapping):
        raise UsageError(f"{source}: an [[ignore]] is not a table")
    _known(value, _IGNORE, source)
    expires = value.get("expires")
    if not value.get("rule") or not value.get("reason") or not isinstance(expires, date):
        missing = [name for name in ("rule", "reason", "expires") if not value.get(name)]
        raise UsageError(
            f"{source}: an [[ignore]] {_without(missing)}needs a rule, a reason and a date on which it "
            "expires",
            hint='rule = "ENV", reason = "why", expires = 2027-01-31',
        )
    return Ignore(str(value["rule"]), str(value["reason"]), expires, str(value.get("path", "")))


def _without(names: Sequence[str]) -> str:
    return f"without {' and '.join(names)}: it " if names else ""


def _known(value: Mapping[str, Any], names: Sequence[str], source: str) -> None:
    for key in value:
        if key not in names:
            near = get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise UsageError(f"{source}: unknown key {key!r}", hint=hint)
