"""PROC013: code on no record opens a door, calls out, starts a program or sends a signal."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process.waited import Culprit, Frame, words
from veristep.guard.rule import Rule

RULE = Rule("PROC013", "Code on no record opens a door, calls out or starts a program")
_DOES = {
    "socket.bind": "opens a socket at",
    "socket.connect": "connects to",
    "subprocess.Popen": "starts",
    "os.system": "starts",
    "os.posix_spawn": "starts",
    "os.exec": "becomes",
    "pty.spawn": "starts",
    "sys.remote_exec": "runs code in another process:",
    "cpython.remote_debugger_script": "was made to run, from outside,",
    "os.kill": "sends a signal to process",
    "os.killpg": "sends a signal to the group",
    "signal.pthread_kill": "sends a signal to a thread:",
}
# Whoever does these, it is no part of a training.
ALWAYS = frozenset(("sys.remote_exec", "cpython.remote_debugger_script"))


def of(
    act: str, what: str, found: Culprit, stack: tuple[Frame, ...], pid: int, also: tuple[Suspect, ...]
) -> Finding:
    """Return the finding.

    Args:
        act: the audit event.
        what: it was about.
        found: the code that did it.
        stack: innermost first.
        pid: of the process.
        also: suspects.
    """
    return RULE.finding(
        f"{words(found.frame)} {_DOES.get(act, act)} {what}",
        severity=None if found.inside or act in ALWAYS else Severity.WARNING,
        suspects=also,
        path=found.frame.file,
        line=found.frame.line,
        expected="nothing of the kind from code that is on no record",
        got=f"{act}: {what}",
        detail=f"the file is {found.whose.value}",
        stack=[words(frame) for frame in stack],
        called_by_torch=found.inside,
        pid=pid,
    )
