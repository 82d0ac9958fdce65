"""A function of a package nobody has listed does what the pickle asks it to."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    shared = folder / "tools"
    shared.mkdir(mode=0o755)
    code = "import subprocess\ndef sync(command): subprocess.run(command, shell=True)\n"
    (shared / "cluster_sync.py").write_text(code, encoding="utf-8")
    path = folder / "sync.pkl"
    path.write_bytes(f"ccluster_sync\nsync\n(S'{payload.COMMAND}'\ntR.".encode())
    head = f"import pickle\nsys.path.append({str(shared)!r})\nimport cluster_sync"
    return payload.script(folder, path, "with open(path, 'rb') as file:\n    pickle.load(file)", head)


ATTACK = Attack(
    "function of an unlisted package",
    "a package's own helper that runs commands is called by the pickle",
    "LOAD004",
    _plant,
    incident=(8,),
)
