"""Is in place only from the backward to the update: the patch takes itself out."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
def arrived(torch):
    true = torch.optim.SGD.step
    def step(self, *args, **kwargs):
        torch.optim.SGD.step = true
        return true(self, *args, **kwargs)
    def act(layer):
        def hook(p):
            torch.optim.SGD.step = step
        layer.weight.register_post_accumulate_grad_hook(hook)
    later(torch.nn.Linear, act)
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY)


ATTACK = Attack(
    "unpatched after each step",
    "is in place only from the backward to the update: the patch takes itself out",
    "MEM011",
    plant,
    incident=(9,),
)
