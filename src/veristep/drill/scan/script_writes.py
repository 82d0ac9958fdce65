"""TorchScript that writes a file: code in C++ that raises no event: aten::save."""

from __future__ import annotations

from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import written, zipped


def plant(folder: Path) -> Path:
    """Write the file."""
    data = zipped(
        ("m/data.pkl", b"\x80\x02N."),
        ("m/constants.pkl", b"\x80\x02)."),
        ("m/version", b"3\n"),
        (
            "m/code/__torch__/m.py",
            f"def forward(self, x):\n  ops.aten.save(x, {str(folder / 'mark')!r})\n".encode(),
        ),
    )
    return written(folder / "deployed.pt", data)


ATTACK = Attack(
    "TorchScript that writes a file", "code in C++ that raises no event: aten::save", "LOAD057", plant, (8,)
)
