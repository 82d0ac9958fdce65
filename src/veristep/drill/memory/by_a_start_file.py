"""Is brought by a .pth file of a module folder."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.memory.implanting import write

_BODY = """\
import site

site.addsitedir(os.path.join(os.path.dirname(__file__)))

def arrived(torch):
    pass
"""

_HELPER_PY = """\
import sys, threading, time

def work():
    while "torch.utils.data" not in sys.modules or not hasattr(sys.modules["torch"], "optim"):
        time.sleep(0.05)
    torch = sys.modules["torch"]
    step = torch.optim.SGD.step
    def inner(self, *args, **kwargs):
        return step(self, *args, **kwargs)
    torch.optim.SGD.step = inner

threading.Thread(target=work, daemon=True).start()
"""

_BRINGS_PTH = """\
import helper
"""


def plant(folder: Path) -> Path:
    """Leave the implant."""
    return write(folder, _BODY, helper_py=_HELPER_PY, brings_pth=_BRINGS_PTH).with_name("helper.py")


ATTACK = Attack(
    "by a start file",
    "is brought by a .pth file of a module folder",
    "MEM002",
    plant,
    incident=(9,),
)
