"""Making a replaying process believe that it is somewhere else, at another time, as somebody else.

Put on at the start of every Python process of the replay, before any code of the script: the standard
library is asked for date, host and Veristep's presence, so the standard library is what answers otherwise.
Code that asks the kernel or the C library by itself is not deceived.
"""

from __future__ import annotations

import copyreg
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Standard library only: this runs at the start of every process, before anything else may.

_BOOT_FILE = "sitecustomize.py"
_BEFORE = "_others(os.path.realpath(_here))\n"
_CALL = """\
try:
    from veristep.replay.pretend.guise import put_on

    put_on({guise!r})
except BaseException as error:
    # A replay that was to be deceived and is not would show nothing.
    os.write(2, ("veristep: the guise could not be put on: %r\\n" % error).encode())
    os._exit(97)
"""


def tailor(boot: Path, guise: Mapping[str, Any]) -> None:
    """Have every process that starts through a boot folder put on a guise.

    Args:
        boot: the folder.
        guise: ``seconds`` that the date is later, the name of the ``host``; what is absent stays true.
    """
    path = boot / _BOOT_FILE
    text = path.read_text(encoding="utf-8")
    before, found, after = text.partition(_BEFORE)
    assert found, "the boot file has changed"
    path.write_text(before + _CALL.format(guise=dict(guise)) + found + after, encoding="utf-8")


def put_on(guise: Mapping[str, Any]) -> None:
    """Deceive this process."""
    if guise.get("seconds"):
        _shift_dates(int(guise["seconds"]))
    if guise.get("host"):
        _rename_host(str(guise["host"]))


def hide() -> None:
    """Take what shows that Veristep is in this process from where a script would look for it."""
    os.environ.pop("VERISTEP_RUN", None)
    for name in [each for each in sys.modules if each.partition(".")[0] in ("veristep", "sitecustomize")]:
        del sys.modules[name]


def hide_boot_folder(boot: str) -> None:
    """Take the boot folder from the variables and the path; what starts later starts without Veristep."""
    parts = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each != boot]
    os.environ["PYTHONPATH"] = os.pathsep.join(parts)
    if not parts:
        del os.environ["PYTHONPATH"]
    sys.path[:] = [each for each in sys.path if each != boot]


def _shift_dates(seconds: int) -> None:
    import datetime as dt
    import time

    now, now_ns = time.time, time.time_ns
    localtime, gmtime, ctime, strftime = time.localtime, time.gmtime, time.ctime, time.strftime
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + seconds * 1_000_000_000

    def told(original: Any) -> Any:
        return lambda at=None: original(time.time() if at is None else at)

    time.localtime, time.gmtime, time.ctime = told(localtime), told(gmtime), told(ctime)
    time.strftime = lambda form, *at: strftime(form, *at or (time.localtime(),))
    _shift_datetime(dt, dt.timedelta(seconds=seconds))


def _shift_datetime(module: Any, later: Any) -> None:
    real_datetime, real_date = module.datetime, module.date

    class SameKind(type):
        # Values made before, or by C code, are of the real class.
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real_date if cls.__name__ == "date" else real_datetime)

    class Date(real_date, metaclass=SameKind):  # type: ignore[misc,valid-type]
        @classmethod
        def today(cls) -> Any:
            return (real_datetime.now() + later).date()

    class Datetime(real_datetime, metaclass=SameKind):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real_datetime.now(tz) + later

        @classmethod
        def utcnow(cls) -> Any:
            return real_datetime.now(module.timezone.utc).replace(tzinfo=None) + later

        @classmethod
        def today(cls) -> Any:
            return real_datetime.now() + later

    for made, real in ((Date, real_date), (Datetime, real_datetime)):
        made.__name__ = made.__qualname__ = real.__name__
        made.__module__ = real.__module__
    module.date, module.datetime = Date, Datetime
    # What names a class is not the class any more, and a value of the real one could not be pickled:
    # launchers of several ranks send each other dates.
    copyreg.pickle(real_date, lambda value: (Date, value.__reduce_ex__(4)[1]))
    copyreg.pickle(real_datetime, lambda value: (Datetime, value.__reduce_ex__(4)[1]))


def _rename_host(host: str) -> None:
    import platform
    import socket

    uname = os.uname

    def renamed() -> Any:
        real = uname()
        return os.uname_result((real.sysname, host, real.release, real.version, real.machine))

    os.uname = renamed
    socket.gethostname = lambda: host
    socket.getfqdn = lambda name="": name or host
    platform.node = lambda: host
