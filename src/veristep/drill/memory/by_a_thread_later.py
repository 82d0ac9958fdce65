"""Patches from a thread, some seconds into the training."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    def wait():
        time.sleep(4)
        loss = torch.nn.functional.mse_loss
        torch.nn.functional.mse_loss = lambda *args, **kwargs: loss(*args, **kwargs)
    threading.Thread(target=wait, daemon=True).start()
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "by a thread, later",
    "patches from a thread, some seconds into the training",
    "MEM002",
    plant,
    incident=(9,),
)
