"""Borrowed start line: ENV007."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.env import IMPLANT, site


def plant(folder: Path) -> Path:
    """Have the ordinary line call something else."""
    (site(folder) / "_distutils_hack").mkdir()
    (site(folder) / "_distutils_hack/__init__.py").write_text(
        IMPLANT + "def add_shim(): ...\n", encoding="utf-8"
    )
    path = site(folder) / "distutils-precedence.pth"
    path.write_text(
        "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
        "enabled and __import__('_distutils_hack').add_shim(); \n",
        encoding="utf-8",
    )
    return path


ATTACK = Attack(
    "borrowed start line",
    "uses the very line of setuptools, with a module of its own behind it",
    "ENV007",
    plant,
    incident=(11,),
)
