"""TorchScript code: it runs in C++, which raises no audit event, so it is judged here or nowhere.

Archives hold it as text of a small language. Operators that reach files, or that pickle, have no place in
a model. Source: torch's ``torch/csrc/jit/runtime/register_prim_ops.cpp`` and ``register_special_ops.cpp``.
"""

from __future__ import annotations

import re

from veristep.scan.looking import Item, Looking
from veristep.scan.seen import Sort

_MOST = 64 << 20
_CODE = re.compile(r"(^|/)code/.*\.py$")
# Operators with an effect outside of the model, and operator namespaces that are not torch's own.
_FILES = re.compile(
    r"\b(?:torch\.(save|load|from_file|_load_from_file)|ops\.(?:aten|prim)\.(save|from_file|load|rpc_\w+|Exec\w*)"
    r"|aten::(save|from_file)|torch\.(rpc_async|rpc_sync|rpc_remote)|rpc\.(\w+))\s*\("
)
_NAMESPACE = re.compile(r"\b(?:torch\.)?ops\.(\w+)\.(\w+)\s*\(")
_OWN = frozenset({
    "aten", "prim", "prims", "torchvision", "torchaudio", "quantized", "quantized_decomposed", "_quantized",
    "mkldnn", "mkldnn_prepacked", "mkl", "xnnpack", "prepacked", "onednn", "sparse", "static_runtime",
    "cuda", "c10d", "c10d_functional", "_c10d_functional", "inductor", "profiler", "rand",
    "torchtext", "nnapi",    "vulkan_prepack", "metal_prepack", "fb", "prim_ops",
})  # fmt: skip


def is_code(name: str) -> bool:
    """Whether an archive's member of this name is code of TorchScript."""
    return bool(_CODE.search(name))


def code(scan: Looking, item: Item) -> None:
    """Look at what code calls."""
    scan.notes.parts += 1
    if item.source.size > _MOST:
        scan.doubt(item, Sort.LIMIT, f"{item.source.size:,} bytes of TorchScript are too many to be read")
        return
    text = item.source.read(0, item.source.size).decode("utf-8", "replace")
    for match in _FILES.finditer(text):
        call = match[0].rstrip("( ")
        line = text.count("\n", 0, match.start()) + 1
        scan.deny(
            item,
            Sort.SCRIPT,
            f"TorchScript code calls {call}",
            f"line {line}: {_line(text, match.start())}",
        )
    for match in _NAMESPACE.finditer(text):
        if match[1] not in _OWN:
            name = f"{match[1]}::{match[2]}"
            scan.doubt(
                item, Sort.SCRIPT, f"TorchScript code calls {name}, an operator of somebody's library"
            )


def _line(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    return text[start : end if end >= 0 else len(text)].strip()[:160]
