"""Checkpoints in several files: what belongs together, and whether it is all there and of one step."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from veristep.core.verdicts import Finding
from veristep.guard.file import shard
from veristep.supervise.artifacts.known import Known, Written

_MAX_INDEX_BYTES = 64 << 20
# One of several: model-00001-of-00003.safetensors, __0_0.distcp, mp_rank_00_model_states.pt, and the like.
_SHARD = re.compile(
    r"-\d{2,5}-of-\d{2,5}\b|^__\d+_\d+\.distcp$|(^|_)rank_?\d+|\.shard\d+|^shard[-_]?\d+", re.I
)


def is_index(path: str) -> bool:
    """Whether a file names the shards of a checkpoint, by its name."""
    return path.endswith(".index.json")


def is_shard(path: str) -> bool:
    """Whether a file is one of several that belong together, by its name."""
    return _SHARD.search(os.path.basename(path)) is not None  # noqa: PTH119


def of_index(path: Path) -> list[str]:
    """Return the shards an index names, empty for one that is none."""
    try:
        if path.stat().st_size > _MAX_INDEX_BYTES:
            return []
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    names = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(names, dict):
        return []
    found = {str(each) for each in names.values()}
    # A name that leads out of the folder names no shard of this checkpoint.
    return sorted(each for each in found if os.path.basename(each) == each)  # noqa: PTH119


def check(index: Path, known: Known, contents: Mapping[str, str]) -> list[Finding]:
    """Return what is wrong with the shards an index names.

    Args:
        index: the file.
        known: what is on record.
        contents: SHA-256 by path, of what was read.
    """
    names = of_index(index)
    gone = [name for name in names if not (index.parent / name).exists()]
    found = [shard.missing(str(index), gone)] if gone else []
    steps: dict[str, str] = {}
    index_run = known.last(str(index))
    for name in names:
        written = _of_content(known, contents.get(str(index.parent / name), ""), index_run)
        if written is not None:
            steps[name] = written.words
    if len(set(steps.values())) > 1:
        found.append(shard.mixed(str(index), steps))
    return found


def _of_content(known: Known, sha256: str, near: Written | None) -> Written | None:
    """Return the writing of a content, of the same run and step as the index where several have it."""
    same = known.by_content.get(sha256, [])
    if near is not None:
        same = [each for each in same if (each.run, each.step) == (near.run, near.step)] or same
    return same[-1] if same else None
