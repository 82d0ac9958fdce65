"""A hook from a text that no file has."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.process import HOOK, module

_TEXT = """\
exec('''
import time
count = 0
def pause(optimizer):
    global count
    count += 1
    if count % 3 == 0:
        time.sleep(0.01)
''')
"""


def plant(folder: Path) -> Path:
    """Leave the module; the code that sleeps has no file."""
    module(folder, "executed_text", _TEXT + HOOK)
    return Path("<string>")


ATTACK = Attack(
    "hook without a file",
    "executes a text that defines the hook, as a pickle would",
    "PROC002",
    plant,
    incident=(9,),
)
