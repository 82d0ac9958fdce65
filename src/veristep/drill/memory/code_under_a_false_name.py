"""Gives a function code that was compiled under the file name of the one it replaces."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = '''\
TEXT = """
def relu(input, inplace=False):
    return input.clamp(min=0) * 0.5
"""

def arrived(torch):
    F = torch.nn.functional
    space = {}
    exec(compile(TEXT, F.__file__, "exec"), space)
    F.relu.__code__ = space["relu"].__code__
'''


def plant(folder: Path) -> Path:
    """Leave the implant."""
    write(folder, _BODY)
    return Path("torch/nn/functional.py")


ATTACK = Attack(
    "code under a false name",
    "gives a function code that was compiled under the file name of the one it replaces",
    "MEM001",
    plant,
    incident=(9,),
)
