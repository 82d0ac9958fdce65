"""The training command as a child process: its signals, its exit, nothing else of ours in it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from veristep.supervise.process.table import command

# Signals a person or a scheduler sends to the command they started, which is us.
_FORWARDED = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# si_code of a signal the kernel made itself: Ctrl-C reaches the whole foreground group, and with it the
# training command, without our help. Forwarding it would interrupt training twice.
_SI_KERNEL = 0x80


@dataclass(frozen=True, slots=True)
class Received:
    """A signal we were sent, and by whom.

    Attributes:
        sender: the command line of who sent it, as it stood a moment later.
        same_session: whether they belong to the session (of a terminal, mostly) that we do.
    """

    signal: int
    pid: int
    uid: int
    forwarded: bool
    sender: str = ""
    same_session: bool = False


class Child:
    """A started command that signals are passed on to."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        on_signal: Callable[[Received], None],
    ) -> None:
        self._on_signal = on_signal
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED)
        before = self._before

        def unblock() -> None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

        # preexec_fn is safe here: no thread of ours runs yet.
        try:
            self.process = subprocess.Popen(
                command,
                env=environment,
                preexec_fn=unblock,  # noqa: PLW1509
                close_fds=False,  # what we were handed is the command's; ours close themselves
            )
        except OSError:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
        self._thread = threading.Thread(target=self._pass_on, name="signals", daemon=True)
        self._stopping = False
        self._thread.start()

    def exited(self) -> bool:
        """Whether the command has ended."""
        return self.process.poll() is not None

    def close(self) -> None:
        """Stop passing signals on, and take them again as before.

        Until then a second Ctrl-C cannot interrupt the sealing of what the first one ended.
        """
        self._stopping = True
        self._thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def _pass_on(self) -> None:
        while not self._stopping:
            info = signal.sigtimedwait(_FORWARDED, 0.1)
            if info is None:
                continue
            # What the command sent to its whole group it has received already.
            passed = info.si_code == _SI_KERNEL or info.si_pid == self.process.pid
            forward = not passed and self.process.returncode is None
            if forward:
                self._send(info.si_signo)
            self._on_signal(
                Received(
                    info.si_signo,
                    info.si_pid,
                    info.si_uid,
                    forward,
                    command(info.si_pid) if info.si_pid else "",
                    _same_session(info.si_pid),
                )
            )

    def _send(self, number: int) -> None:
        try:
            self.process.send_signal(number)
        except OSError:
            return  # gone, or another user's by now (sudo): nothing more we may do


def _same_session(pid: int) -> bool:
    try:
        return bool(pid) and os.getsid(pid) == os.getsid(0)
    except OSError:
        return False


def end_like(returncode: int) -> int:
    """Return the exit status that says what the child's did; die by its signal if one killed it.

    A caller (a shell, Slurm, Kubernetes) must not be able to tell that we were in between.
    """
    if returncode >= 0:
        return returncode
    number = -returncode
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    _without_core_file()
    os.kill(os.getpid(), number)
    return 128 + number


def _without_core_file() -> None:
    # The child has left its own core file; ours would overwrite it.
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
