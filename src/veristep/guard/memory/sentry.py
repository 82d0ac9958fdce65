"""Waits in every Python process of a run until one of them trains; called by the boot file.

It must be quick, and never fail. Nothing of what it stands for is imported before torch is.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

NOTES = "memory"  # `notes.NOTES`

_started: list[str] = []


def start(boot: str) -> None:
    """Watch this process once it trains, if the supervisor has laid out a file for what is seen."""
    if _started or not os.path.exists(f"{boot}/{NOTES}"):  # noqa: PTH110
        return
    _started.append(boot)
    from veristep.record.bootstrap import AfterImport

    def torch_imported(_module: ModuleType) -> None:
        from veristep.guard.memory.patrol_torch import install

        install(boot)

    sys.meta_path.insert(0, AfterImport({"torch": torch_imported}))
