"""An edited torch, audited in place and in a clean room: what each says, and what it takes.

Makes a throwaway virtual environment, edits ``torch/optim/sgd.py`` in it (updates are scaled by 0.98, and
the edit is put into ``RECORD`` too), trains under ``veristep run``, and audits the run twice. Run it with::

    python bench/clean_room.py [--environment FOLDER]

It needs a registry with torch, several minutes, and 3 GB of disk.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from lab import Lab  # noqa: E402

EDITED = "torch/optim/sgd.py"
BEFORE = "def _single_tensor_sgd("
EDIT = """def _scaled(step):
    def scaled(params, grads, *args, **kwargs):
        return step(params, [grad * 0.98 for grad in grads], *args, **kwargs)
    return scaled


"""
SCRIPT = "classifier_loader"


def main() -> int:
    """Do it and print what came of it."""
    words = argparse.ArgumentParser(description="An edited torch, in place and in a clean room.")
    words.add_argument("--environment", type=Path, help="a throwaway environment with torch and veristep")
    chosen = words.parse_args()
    with tempfile.TemporaryDirectory(prefix="clean-room-") as folder:
        environment = chosen.environment or _environment(Path(folder) / "env")
        packages = next(environment.glob("lib/python3.*/site-packages"))
        _edit(packages)
        lab = Lab(Path(folder) / "lab")
        del lab.environment["VERISTEP_IN_PLACE"]
        # Where the registry is, is the user's own configuration of pip.
        own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        lab.environment |= {"HOME": os.environ["HOME"], **own}
        lab.script(SCRIPT)
        lab.record([str(environment / "bin" / "python"), f"{SCRIPT}.py", "--steps", "20"], interval=10)
        found = {name: _audit(lab, options) for name, options in AUDITS.items()}
    for name, (verdict, seconds) in found.items():
        room = verdict["room"]
        finding = verdict["findings"][0]["summary"] if verdict["findings"] else "no finding"
        print(f"{name}: {verdict['verdict']}: {finding} ({seconds:.0f} s)")
        print(f"   environment: {room.get('environment')}; weaker: {room.get('weaker', [])}")
        if verdict["reason"]:
            print(f"   reason: {verdict['reason']}")
    wanted = ["verified", "violated", "violated"]
    return 0 if [verdict["verdict"] for verdict, _ in found.values()] == wanted else 1


AUDITS = {"in place": ["--in-place"], "clean room": [], "clean room, kept environment": []}


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), "torch", "numpy", str(ROOT)], check=True)
    return folder


def _edit(packages: Path) -> None:
    """Scale every update of SGD, and have the installation's own list agree."""
    path = packages / EDITED
    text = path.read_text(encoding="utf-8")
    if EDIT not in text:
        text = text.replace(BEFORE, EDIT + "@_scaled\n" + BEFORE, 1)
        path.write_text(text.replace("def _multi_tensor_sgd(", "@_scaled\ndef _multi_tensor_sgd(", 1))
    data = path.read_bytes()
    digest = urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    record = next(packages.glob("torch-*.dist-info/RECORD"))
    rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"))))
    with record.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            changed = [EDITED, f"sha256={digest}", str(len(data))] if row and row[0] == EDITED else row
            csv.writer(file).writerow(changed)


def _audit(lab: Lab, options: list[str]) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    verdict = lab.audit("last", "--all", *options, status=None)
    return verdict, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
