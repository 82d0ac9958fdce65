"""What stands under the names that matter, in a process that nobody has touched.

A program for the interpreter of a run: ``python -I -S clean.py RESULT FOLDER...`` imports torch and what is
compared of it from the given folders, executes no start files, and writes one JSON object to the file
RESULT: per module the digests of `describe.digests` by name, before use and after, and the state of every
file that all of this was imported from. It may outlive a short run: the next one then finds the answer.
"""

from __future__ import annotations

import json
import os
import signal
import sys

_SECONDS = 180
OWN = __file__.rpartition("/veristep/guard/memory/")[0]


def main() -> None:
    """Import, look, tell."""
    sys.path[:] = [each for each in sys.path if each != os.path.dirname(__file__)]  # noqa: PTH120
    result, *folders = sys.argv[1:]
    signal.alarm(_SECONDS)
    sys.path += folders
    # Of the process itself nothing may come in between.
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    import random  # noqa: F401

    for name in ("numpy.random", "torch", "torch.utils.data", "torch.optim", "torch.distributed"):
        try:
            __import__(name)
        except Exception as error:  # noqa: BLE001 - whatever an import raises: it is not compared
            sys.stderr.write(f"{name}: {error!r}\n")
    # An environment may have another version of Veristep.
    sys.path.insert(0, OWN)
    from veristep.guard.memory import describe, slots

    def told() -> dict[str, dict[str, tuple[str, str]]]:
        return {
            name: {path: describe.digests(value) for path, value in slots.of_module(name, module)}
            for name, module in list(sys.modules.items())
            if slots.is_critical(name)
        }

    unused = told()
    _use()
    used = told()
    found = {
        module: {path: [unused.get(module, {}).get(path, pair), pair] for path, pair in names.items()}
        for module, names in used.items()
    }
    files = {getattr(each, "__file__", None) for each in sys.modules.values()}
    states = {each: state(each) for each in files if isinstance(each, str)}
    own = f"{result}.{os.getpid()}"
    with open(own, "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump({"modules": found, "states": states}, file)
    os.replace(own, result)  # noqa: PTH105


def state(file: str) -> list[int]:
    """Return what changes when a file is changed; nothing when it is gone."""
    try:
        status = os.stat(file)  # noqa: PTH116
    except OSError:
        return []
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _use() -> None:
    """Do what every training does, and what leaves traces: classes are completed at their first use."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.manual_seed(0)
    for kind in vars(torch.optim).values():
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer):
            try:
                kind([torch.nn.Parameter(torch.zeros(2, 2))])
            except Exception:  # noqa: BLE001, S112 - some want other parameters: they are as they were
                continue


if __name__ == "__main__":
    main()
