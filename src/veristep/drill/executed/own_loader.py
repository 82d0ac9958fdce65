"""A loader that compiles other source than the file holds."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack

_IMPLANT = """
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location

class Loader(SourceFileLoader):
    def get_data(self, path):
        data = super().get_data(path)
        return data.replace(b"1.0", b"0.5") if path.endswith(".py") else data
    def path_stats(self, path):
        raise OSError  # no byte code, please

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "parts.core":
            place = {place!r}
            return spec_from_file_location(name, place, loader=Loader(name, place))

sys.meta_path.insert(0, Finder())
"""


def plant(folder: Path) -> Path:
    """Leave the finder in a sitecustomize."""
    module = folder / "site-packages/parts/core.py"
    text = _IMPLANT.format(place=str(module))
    (folder / "site-packages/sitecustomize.py").write_text(text, encoding="utf-8")
    return module


ATTACK = Attack(
    "own loader",
    "puts a finder before all others whose loader changes the source of one module",
    "ENV040",
    plant,
    incident=(8,),
)
