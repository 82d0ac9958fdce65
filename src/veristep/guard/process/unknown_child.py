"""PROC008: the run started a program that no earlier run of the project did."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.rule import Rule

RULE = Rule("PROC008", "The run started a program that no run before it did", Severity.WARNING)

# Programs of the system that carry something out, or let somebody in; the others tell about the machine,
# compile, or copy, and are a note when they are new.
TELLING = frozenset(
    (
        "nc", "nc.openbsd", "nc.traditional", "ncat", "socat", "telnet", "ssh", "sshd", "scp", "sftp",
        "rsync", "curl", "wget", "crontab", "at", "batch", "gdb", "strace", "ltrace", "su", "sudo",
        "chpasswd", "xterm", "openssl", "busybox", "insmod", "kexec", "screen", "tmux", "ngrok", "chisel",
    )
)  # fmt: skip


def of(
    pid: int, program: str, command: str, runs: int, also: tuple[Suspect, ...], *,
    severity: Severity | None = None,
) -> Finding:  # fmt: skip
    """Return the finding.

    Args:
        pid: of the process.
        program: as it is known from run to run.
        command: its command line.
        runs: earlier ones on record.
        also: suspects.
        severity: if another than the rule's.
    """
    return RULE.finding(
        f"process {pid} ({program}) was started; none of the {runs} runs before this one did that",
        severity=severity,
        suspects=also,
        expected=f"a program that one of the {runs} earlier runs of the project started",
        got=command,
        path=also[0].value if also and also[0].what == "file" else program,
        pid=pid,
    )
