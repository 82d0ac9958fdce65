"""The command and the variables of a replay: as recorded, without what would run or tell something else."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Variables that make other code run before the script's, and that no training needs.
_DROPPED = (
    "LD_PRELOAD",
    "LD_AUDIT",
    "BASH_ENV",
    "ENV",
    "GCONV_PATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "PYTHONUSERBASE",
    "PYTHONEXECUTABLE",
    "VERISTEP_RUN",
)
# Trackers and hubs stay offline: a replay tells nobody anything.
_OFFLINE = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "COMET_OFFLINE_MODE": "1",
    "NEPTUNE_MODE": "offline",
    "CLEARML_OFFLINE_MODE": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHON_DISABLE_REMOTE_DEBUG": "1",
}
# Names of interfaces and addresses that a room's own network does not have.
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "TP_SOCKET_IFNAME")


def moved_path(path: str, root: Path, place: Path) -> Path:
    """Return a path with the code's root replaced by its place in the room."""
    try:
        return place / Path(path).relative_to(root)
    except ValueError:
        return Path(path)


def moved(text: str, root: Path, place: Path) -> str:
    """Return a word with the code's root replaced by its place in the room, where it begins a path."""
    prefix = str(root)
    head, found, rest = text.partition(prefix)
    if not found or (rest and not rest.startswith(os.sep)):
        return text
    if head and not head.endswith(("=", ":")):
        return text
    return head + str(place) + rest


def command(words: Sequence[str], cwd: str, root: Path, place: Path, work: Path) -> list[str]:
    """Return a command line for the room.

    Args:
        words: as recorded.
        cwd: the recorded working directory.
        root: the code's folder.
        place: where the room shows it.
        work: where it lies.
    """
    program, *arguments = words
    if os.sep in program:
        resolved = os.path.normpath(os.path.join(cwd, program))  # noqa: PTH118
        here = moved_path(resolved, root, work)
        in_room = here.exists() and not here.is_symlink()
        program = str(moved_path(resolved, root, place)) if in_room else resolved
    return [program, *(moved(argument, root, place) for argument in arguments)]


def variables(
    recorded: Mapping[str, str], folder: Path, place: Path, move: Callable[[str], str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables for the room, and the names of those left out.

    Args:
        recorded: as recorded, secrets already replaced.
        folder: the room.
        place: where the room shows the code.
        move: replaces the code's root in a word.
    """
    environment: dict[str, str] = {}
    dropped: list[str] = []
    for name, value in recorded.items():
        if name in _DROPPED or value == "[redacted]":
            dropped.append(name)
        elif name == "PYTHONPATH":
            # Only what belongs to the code; anything else there could be what is being looked for.
            kept = [move(each) for each in value.split(os.pathsep) if each]
            inside = [each for each in kept if each == str(place) or each.startswith(f"{place}{os.sep}")]
            dropped += [name] if len(inside) < len(kept) else []
            if inside:
                environment[name] = os.pathsep.join(inside)
        else:
            environment[name] = move(value)
    environment |= _OFFLINE
    scratch = str(folder / "tmp")
    environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP", "WANDB_DIR"), scratch)
    cache = str(folder / "cache")
    environment |= {
        "TORCHINDUCTOR_CACHE_DIR": cache + "/inductor",
        "TRITON_CACHE_DIR": cache + "/triton",
        "MPLCONFIGDIR": cache + "/matplotlib",
        "MLFLOW_TRACKING_URI": f"file:{cache}/mlruns",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment, tuple(dropped)


def for_loopback(environment: dict[str, str]) -> None:
    """Point the variables that name interfaces and addresses to the only one a room has."""
    for name in _INTERFACES:
        if name in environment:
            environment[name] = "lo"
    if "MASTER_ADDR" in environment:
        environment["MASTER_ADDR"] = "127.0.0.1"
