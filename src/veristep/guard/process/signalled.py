"""PROC006: a signal that ends or disturbs the run came from a process that is none of its own."""

from __future__ import annotations

from veristep.core.verdicts import Finding, Severity, Suspect
from veristep.guard.process.killed import name_of
from veristep.guard.rule import Rule

RULE = Rule("PROC006", "Somebody sent a signal to the run", Severity.WARNING)
# Who ends jobs by profession: schedulers, service managers, container runtimes.
SCHEDULERS = frozenset(
    (
        "slurmstepd", "slurmd", "slurmctld", "systemd", "init", "containerd", "containerd-shim", "dockerd",
        "docker-init", "tini", "runc", "crun", "conmon", "kubelet", "pbs_mom", "sge_shepherd", "sge_execd",
        "condor_starter", "condor_startd", "lsf", "sbatchd", "res", "flux-shell", "raylet", "timeout",
        "sshd", "login", "tmux", "tmux: server", "screen",
    )
)  # fmt: skip


def of(
    pid: int, number: int, sender: str, also: tuple[Suspect, ...], *, foreign: bool, own: bool
) -> Finding:
    """Return the finding.

    Args:
        pid: it was sent to.
        number: of the signal.
        sender: in words.
        also: suspects.
        foreign: whether the sender is another user than the run's.
        own: whether it came from the terminal session the run was started in.
    """
    name = name_of(number)
    severity = Severity.ERROR if foreign else Severity.INFO if own else None
    return RULE.finding(
        f"{name} to process {pid} was sent by {sender}",
        severity=severity,
        suspects=also,
        expected="signals of the scheduler, the terminal, or the run itself",
        got=f"{name} from {sender}",
        pid=pid,
        signal=name,
    )
