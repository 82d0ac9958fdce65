"""What the attacks of this family share: a payload that leaves a mark, and the script that loads it."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

# Written where the script runs, if the payload fires.
MARK = "mark"
COMMAND = f"echo fired > {MARK}"
SCRIPT = "train.py"
_BODY = """\
import sys
{head}
def load(path):
{load}

if __name__ == "__main__":
    try:
        load({path!r})
    except RuntimeError as refused:
        print("refused:", type(refused).__name__)
    print("trained")
"""


class Command:
    """Pickled, it is a call of the shell."""

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.system, (COMMAND,)


def poisoned(value: object = None, protocol: int = 2) -> bytes:
    """Return a pickle of plausible content that runs the payload."""
    content = {"epoch": 3, "loss": 0.25, "extra": Command() if value is None else value}
    return pickle.dumps(content, protocol)


def checkpoint(path: Path, pickled: bytes) -> Path:
    """Write a checkpoint as `torch.save` does, around a pickle; no torch is needed for it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in (("data.pkl", pickled), ("byteorder", b"little"), ("version", b"3\n")):
            archive.writestr(f"{path.stem}/{name}", data)
    return path


def script(folder: Path, path: Path, load: str, head: str = "") -> Path:
    """Write the script that loads a file in good faith; return the file.

    Args:
        folder: the script stands in.
        path: of the file.
        load: the body of a function of `path`, its lines not indented.
        head: lines before it.
    """
    body = "\n".join(f"    {line}" for line in load.splitlines())
    text = _BODY.format(head=head, load=body, path=str(path))
    (folder / SCRIPT).write_text(text, encoding="utf-8")
    return path


def nested(pickled: bytes) -> bytes:
    """Return a pickle in which a `BytesIO` is unpickled in turn."""
    stream = io.BytesIO()
    pickle.dump({"inner": pickled}, stream)
    return stream.getvalue()
