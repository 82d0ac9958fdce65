"""Has the sampler started in every process of a run that turns out to train.

Every Python process of a run imports this: nothing is imported before it is needed.
"""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETTINGS_FILE = "process.json"
_started: set[int] = set()
_noting: list[str] = []


def start(boot: str) -> None:
    """Wait for training, if the supervisor has left settings: in a replay there are none."""
    place = f"{boot}/{SETTINGS_FILE}"
    if not os.path.exists(place):  # noqa: PTH110
        return
    from veristep.guard.process import acts
    from veristep.record import training

    if not _noting:
        _noting.append(boot)
        acts.start(boot)

    def begin(stream: str) -> None:
        with open(place, encoding="utf-8") as file:  # noqa: PTH123
            settings: dict[str, Any] = json.load(file)
        # A forked process that trains gets a sampler of its own: threads are not inherited.
        if os.getpid() in _started:
            return
        _started.add(os.getpid())
        from veristep.guard.process import sampler

        sampler.start(boot, stream, settings)

    training.when(begin)
