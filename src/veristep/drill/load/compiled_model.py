"""A compiled model that everybody can write."""

from __future__ import annotations

import zipfile
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.load import payload


def _plant(folder: Path) -> Path:
    path = folder / "model.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (
            ("archive_format", "pt2"),
            ("archive_version", "0"),
            ("byteorder", "little"),
            ("data/aotinductor/model/model.wrapper.so", "\x7fELF"),
        ):
            archive.writestr(f"{path.stem}/{name}", data)
    path.chmod(0o666)
    load = "torch._inductor.aoti_load_package(path)"
    return payload.script(folder, path, load, "import torch")


ATTACK = Attack(
    "compiled model",
    "an AOTInductor package that everybody can write is loaded: its library would run",
    "LOAD011",
    _plant,
    incident=(8, 16),
)
