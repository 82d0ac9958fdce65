"""Making a replay round like another machine: its thread count and its instruction set.

Both are read from variables when torch starts. Sources: torch's ``aten/src/ATen/Version.cpp`` and
``native/DispatchStub.cpp`` for ``ATEN_CPU_CAPABILITY``, oneDNN's developer guide ("CPU Dispatcher Control")
for ``ONEDNN_MAX_CPU_ISA``, Intel's oneMKL guide for ``MKL_ENABLE_INSTRUCTIONS`` and ``MKL_CBWR``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from veristep.errors import UsageError

# From the least to the most: a processor that has one has those before it.
SETS = ("default", "avx2", "avx512")
# The facts of a platform that can be varied here (`record.platform_facts`).
VARIED = ("threads", "cpu_capability")
MAX_THREADS = 8
_ONEDNN = {"default": "SSE41", "avx2": "AVX2", "avx512": "AVX512_CORE"}
_MKL = {"default": "SSE4_2"}  # the others under their own names


@dataclass(frozen=True, slots=True)
class Likeness:
    """A thread count and an instruction set; 0 and empty leave what there is."""

    threads: int = 0
    instructions: str = ""

    def variables(self) -> dict[str, str]:
        """Return the variables that bring it about in a process started with them."""
        found: dict[str, str] = {}
        if self.threads:
            found |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        if self.instructions:
            found["ATEN_CPU_CAPABILITY"] = self.instructions
            found["ONEDNN_MAX_CPU_ISA"] = _ONEDNN[self.instructions]
            found["MKL_ENABLE_INSTRUCTIONS"] = _MKL.get(self.instructions, self.instructions.upper())
        if self.instructions == "default":
            found["MKL_CBWR"] = "COMPATIBLE"
        return found

    def __str__(self) -> str:
        threads = f"{self.threads} threads" if self.threads else ""
        return ", ".join(each for each in (threads, self.instructions) if each)


def parse(text: str) -> Likeness:
    """Return the likeness that ``threads=N,isa=NAME`` names.

    Raises:
        UsageError: it is not one, or this processor cannot do it.
    """
    threads, instructions = 0, ""
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        if name == "threads" and value.isascii() and value.isdigit() and 0 < int(value) <= 1024:
            threads = int(value)
        elif name == "isa" and value in SETS:
            instructions = value
        else:
            raise UsageError(
                f"--platform: {part.strip()!r} is not threads=N or isa=NAME",
                hint=f"for example --platform threads=3,isa=default; isa is one of {', '.join(SETS)}",
            )
    if instructions and instructions not in available():
        raise UsageError(
            f"--platform: this processor has no {instructions}", hint=f"it has {', '.join(available())}"
        )
    return Likeness(threads, instructions)


def available() -> list[str]:
    """Return the instruction sets of this processor, as torch tells them apart."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return list(SETS[:1])
    flags = set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())
    found = [SETS[0]]
    if {"avx2", "fma"} <= flags:
        found.append("avx2")
        if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags:
            found.append("avx512")
    return found


def of_run(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> Likeness:
    """Return what of a run's platform can be brought about here, where it is another one."""
    threads, instructions = 0, ""
    if recorded.get("threads") != here.get("threads"):
        threads = int(recorded.get("threads") or 0)
    capability = str(recorded.get("cpu_capability") or "").lower()
    if capability != str(here.get("cpu_capability") or "").lower() and capability in available():
        instructions = capability
    return Likeness(threads, instructions)


def variations(recorded: Mapping[str, Any], here: Mapping[str, Any], count: int) -> Sequence[Likeness]:
    """Return `count` likenesses to calibrate with: varied, and never the run's where this machine differs.

    What makes the run's machine another one cannot be had here; in a rehearsal, where it could, using it
    would make the test look better than it is.
    """
    capability = str(recorded.get("cpu_capability") or "").lower()
    sets = available()
    if capability != str(here.get("cpu_capability") or "").lower() and len(sets) > 1:
        sets = [each for each in sets if each != capability]
    threads = list(range(1, MAX_THREADS + 1))
    if recorded.get("threads") != here.get("threads"):
        threads = [each for each in threads if each != recorded.get("threads")]
    found = [Likeness(number, each) for number, each in product(threads, sets)]
    return (found * count)[:count]
