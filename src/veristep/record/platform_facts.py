"""Which facts of a process decide whether it rounds like another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Two processes that differ in one of these may round differently; the rest is for people to read.
DECISIVE = (
    "torch",
    "cuda",
    "device",
    "threads",
    "cpu_capability",
    "mkldnn",
    "machine",
    "deterministic",
    "matmul_precision",
    "tf32",
)


def differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Return, readably, where two processes may round differently."""
    return [
        f"{key}: {recorded.get(key)} recorded, {here.get(key)} here"
        for key in DECISIVE
        if recorded.get(key) != here.get(key)
    ]
