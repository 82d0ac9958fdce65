"""TorchScript archives, made by hand: what the attacks with them share."""

from __future__ import annotations

import zipfile
from pathlib import Path

from veristep.drill.load import payload

# Code that leaves the mark: torch's own operator writes the file, in C++.
SAVES = f'torch.save([x], "{payload.MARK}")'
_CLASS = """\
class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
{body}
    return x
"""
LOAD = "torch.jit.load(path)(torch.ones(2))"
HEAD = "import warnings\nwarnings.simplefilter('ignore')\nimport torch"


def archive(path: Path, body: str, code: str = "code/__torch__.py") -> Path:
    """Write an archive whose model runs some lines when it is called.

    Args:
        path: of the file.
        body: the lines, not indented.
        code: name of the member that holds the code.
    """
    text = _CLASS.format(body="\n".join(f"    {line}" for line in body.splitlines()))
    members = (
        ("data.pkl", b"\x80\x02c__torch__\nM\nq\x00)\x81}X\x08\x00\x00\x00trainingq\x01\x88sbq\x02."),
        (code, text.encode()),
        ("constants.pkl", b"\x80\x02)."),
        ("version", b"3\n"),
        ("byteorder", b"little"),
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for name, data in members:
            made.writestr(f"{path.stem}/{name}", data)
    return path
