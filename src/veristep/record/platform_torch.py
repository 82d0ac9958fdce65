"""What decides the last bit of a result besides the inputs: builds, threads, instruction sets, flags."""

from __future__ import annotations

import platform
import sys
from typing import Any

import torch

from veristep.core.canonical import Json


def describe() -> dict[str, Json]:
    """Return the facts of this process."""
    # Typed as anything: whether torch annotates this function differs between its versions.
    devices: Any = torch.cuda
    cuda = bool(devices.is_available())
    return {
        "torch": torch.__version__,
        "git": getattr(torch.version, "git_version", "") or "",
        "cuda": torch.version.cuda or "",
        "device": torch.cuda.get_device_name(0) if cuda else "cpu",
        "devices": torch.cuda.device_count() if cuda else 0,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
    }
