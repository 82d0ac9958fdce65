"""Runs a thread that looks for weights to change."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def lurk():
    while True:
        time.sleep(0.2)

def arrived(torch):
    threading.Thread(target=lurk, daemon=True).start()
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "rogue thread",
    "runs a thread that looks for weights to change",
    "MEM010",
    plant,
    incident=(9,),
)
