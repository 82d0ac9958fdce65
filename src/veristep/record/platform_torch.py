"""What decides the last bit of a result besides the inputs: builds, threads, instruction sets, flags."""

from __future__ import annotations

import platform
import sys

import torch

from veristep.core.canonical import Json


def describe() -> dict[str, Json]:
    """Return the facts of this process."""
    devices = torch.cuda.device_count()
    return {
        "torch": torch.__version__,
        "git": getattr(torch.version, "git_version", "") or "",
        "cuda": torch.version.cuda or "",
        "device": torch.cuda.get_device_name(0) if devices else "cpu",
        "devices": devices,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "machine": platform.machine(),
        "python": sys.version.split()[0],
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn_benchmark": bool(torch.backends.cudnn.benchmark),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "tf32": bool(torch.backends.cuda.matmul.allow_tf32),
    }
