"""From a name to an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from veristep.errors import UsageError
from veristep.replay.audit import Auditor
from veristep.replay.engines.protocol import Engine, Options

NAMES = ("local", "ray", "slurm", "inline")


@contextmanager
def engine(name: str, auditor: Auditor, options: Options) -> Iterator[Engine]:
    """Provide an engine, and end its workers whatever happens.

    Raises:
        UsageError: there is no engine of this name.
        UnavailableError: it is not there on this machine.
    """
    made = _make(name, auditor, options)
    try:
        yield made
    finally:
        made.close()


def _make(name: str, auditor: Auditor, options: Options) -> Engine:
    if name == "local":
        from veristep.replay.engines.local import Local

        return Local(auditor, options)
    if name == "ray":
        from veristep.replay.engines.ray import Ray

        return Ray(auditor, options)
    if name == "slurm":
        from veristep.replay.engines.slurm import Slurm

        return Slurm(auditor, options)
    if name == "inline":
        from veristep.replay.engines.inline import Inline

        return Inline(auditor, options)
    raise UsageError(f"no engine is called {name!r}", hint=f"there are {', '.join(NAMES)}")
