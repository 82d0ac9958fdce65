"""How `torch.load` is called: safely, or not any more.

In every process of a run, and asked at each file torch opens: nothing is imported here.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

MODULE = "torch.serialization"
_NEAR_FRAMES = 5
_MOST_PATHS = 4096
_VARIABLE, _YES = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", ("1", "y", "yes", "true")


class TorchLoads:
    """The files that `torch.load` opened in this process, and how."""

    def __init__(self, tell: Callable[[str, str, FrameType], None]) -> None:
        """Begin.

        Args:
            tell: is given a path, why it is loaded unsafely, and the innermost frame.
        """
        self._tell = tell
        self._safely: set[str] = set()

    def opened(self, path: str, frame: FrameType) -> None:
        """Torch's reader is about to open a file."""
        weights_only = _argument(frame)
        if weights_only is None:
            return
        if weights_only:
            if len(self._safely) < _MOST_PATHS:
                self._safely.add(path)
        elif os.environ.get(_VARIABLE, "").lower() in _YES:
            self._tell(path, f"{_VARIABLE} is set", frame)
        elif path in self._safely and sys.exc_info()[0] is not None:
            why = "weights only had failed, and the script tries again with weights_only=False"
            self._tell(path, why, frame)


def _argument(frame: FrameType | None) -> bool | None:
    """Return what `weights_only` is in the call of `torch.load` that opens; None outside of one."""
    for _ in range(_NEAR_FRAMES):
        if frame is None or frame.f_globals.get("__name__") != MODULE:
            return None
        if frame.f_code.co_name == "load":
            value = frame.f_locals.get("weights_only")
            return value if isinstance(value, bool) else None
        frame = frame.f_back
    return None
