"""Attacks on the processes of a run: they make steps wait, stop, kill, write to memory, open doors.

Those that wait get a folder whose ``lib`` the training imports every module of. The others get a process
that whoever rehearses them has started, and touch no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HOOK = """from torch.optim.optimizer import register_optimizer_step_pre_hook as _register
_register(lambda optimizer, args, kwargs: pause(optimizer))
"""


def module(folder: Path, name: str, text: str) -> Path:
    """Write a module that the training imports; return its file."""
    path = folder / "lib" / f"{name}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class Target:
    """A process that whoever rehearses has started.

    Attributes:
        pid: its number.
        folder: for what the attack needs.
        address: of seven bytes of its memory that may be written.
    """

    pid: int
    folder: Path
    address: int = 0

    @classmethod
    def of(cls, folder: Path) -> Target:
        """Return the process whose number, and that address, stand in the file ``pid`` of the folder."""
        words = (folder / "pid").read_text(encoding="ascii").split()
        return cls(int(words[0]), folder, int(words[1]) if len(words) > 1 else 0)

    @property
    def path(self) -> Path:
        """Where the kernel shows it."""
        return Path(f"/proc/{self.pid}")
