"""A known-answer step: small fixed operations and their gradients, with results known per build and device.

The functions are called by the names training scripts use, so a patched one answers otherwise as an edited
kernel does. No module, no loss function and no global random state is touched: what follows the training
takes no notice. It runs on the worker thread.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from blake3 import blake3
from torch.nn import functional

from veristep.core.canonical import Json
from veristep.record import platform_torch
from veristep.record.forks import FORKS
from veristep.record.memory import MEMORY

_CPU = torch.device("cpu")
_VARIABLES = ("MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_TORCH = str(Path(torch.__file__).parent)


class KnownAnswers:
    """Takes the step now and then, and tells the first answers and those that have changed.

    Attributes:
        taken: when it was last taken, on the monotonic clock.
    """

    def __init__(self, tell: Callable[[dict[str, Json]], None]) -> None:
        self.taken = 0.0
        self._tell = tell
        self._under: dict[str, Json] = {}
        self._first: dict[str, str] = {}

    def take(self, step: int) -> None:
        """Take the step; `step` is the training's at the moment."""
        self.taken = time.monotonic()
        under, found = key(), answers()
        if key() != under:
            return  # the script changed a setting meanwhile
        if under != self._under:
            self._under, self._first = under, {}
        first = self._first
        if not first:
            again = answers()
            found = {name: answer for name, answer in found.items() if again.get(name) == answer}
        changed: list[Json] = [*(name for name in first if name in found and found[name] != first[name])]
        if first and not changed:
            return
        self._first = {**first, **found}
        told: dict[str, Json] = {**found}
        self._tell({"kind": "answers", "step": step, "key": under, "answers": told, "changed": changed})


def key() -> dict[str, Json]:
    """Return what the answers depend on, beside the code that gives them."""
    facts = platform_torch.describe()
    names = ("torch", "git", "threads", "cpu_capability", "mkldnn", "machine", "deterministic")
    untyped: Any = torch.backends.cuda
    return {
        **{name: facts[name] for name in names},
        "precision": facts["matmul_precision"],
        "onednn": bool(torch.backends.mkldnn.enabled),
        # These decide about attention on the processor, too.
        "attention": [
            untyped.flash_sdp_enabled(),
            untyped.math_sdp_enabled(),
            untyped.mem_efficient_sdp_enabled(),
        ],
        "variables": [os.environ.get(name, "") for name in _VARIABLES],
        "cpu": _cpu(),
    }


def answers() -> dict[str, str]:
    """Return the digest of each operation's results and gradients, by its name."""
    found = {}
    for name, operation in _OPERATIONS.items():
        if _belongs_to_a_package(name):
            continue
        with FORKS.held_off(), torch.enable_grad():
            inputs = [_values(shape, place).requires_grad_() for place, shape in enumerate(operation[0])]
            result = operation[1](*inputs)
            loss = (result * _values(tuple(result.shape), 7)).sum()
            grads = torch.autograd.grad(loss, inputs)
        found[name] = _digest([result, *grads])
    for name, act in _WITHOUT_GRADIENTS.items():
        with FORKS.held_off(), torch.no_grad():
            found[name] = _digest(act())
    return found


def _belongs_to_a_package(name: str) -> bool:
    """Whether an installed package has put a function of its own in the place of torch's."""
    code = getattr(getattr(functional, name, None), "__code__", None)
    file = code.co_filename if code is not None else ""
    return "-packages/" in file and not file.startswith((_TORCH, str(Path(__file__).parents[2])))


def _values(shape: tuple[int, ...], place: int) -> torch.Tensor:
    """Return fixed values that exercise signs and sizes; no generator is used."""
    count = math.prod(shape)
    whole = [((n * 2654435761 + place * 40503) % 65536) / 32768.0 - 1.0 for n in range(count)]
    return torch.tensor(whole, dtype=torch.float32, device=_CPU).reshape(shape)


def _digest(tensors: list[torch.Tensor]) -> str:
    hasher = blake3()
    for tensor in tensors:
        flat = tensor.detach().contiguous()
        address = flat.data_ptr()
        hasher.update(MEMORY[address : address + flat.nbytes])
    return hasher.hexdigest()[:32]


def _normed(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(x, None, None, weight, bias, training=True)


def _likelihood(x: torch.Tensor) -> torch.Tensor:
    places = torch.arange(8, device=_CPU).reshape(8, 1) % 10
    return functional.log_softmax(x, 1).gather(1, places)


def _looked_up(weight: torch.Tensor) -> torch.Tensor:
    return functional.embedding(torch.arange(12, device=_CPU) % 7, weight)


def _named(module: Any, name: str) -> Callable[..., torch.Tensor]:
    """Return a function that looks up another by its name when it is called: whatever stands there then."""

    def call(*inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = getattr(module, name)(*inputs)
        return result

    return call


_OPERATIONS: dict[str, tuple[list[tuple[int, ...]], Callable[..., torch.Tensor]]] = {
    "linear": ([(8, 16), (12, 16), (12,)], _named(functional, "linear")),
    "matmul": ([(8, 16), (16, 12)], _named(torch, "matmul")),
    "conv2d": ([(2, 3, 8, 8), (4, 3, 3, 3), (4,)], lambda x, w, b: functional.conv2d(x, w, b, padding=1)),
    "layer_norm": ([(8, 16), (16,), (16,)], lambda x, w, b: functional.layer_norm(x, (16,), w, b)),
    "batch_norm": ([(8, 6), (6,), (6,)], _normed),
    "gelu": ([(64,)], _named(functional, "gelu")),
    "relu": ([(64,)], _named(functional, "relu")),
    "silu": ([(64,)], _named(functional, "silu")),
    "softmax": ([(8, 10)], lambda x: functional.softmax(x, 1)),
    "log_softmax": ([(8, 10)], _likelihood),
    "max_pool2d": ([(2, 3, 8, 8)], lambda x: functional.max_pool2d(x, 2)),
    "embedding": ([(7, 5)], _looked_up),
    "scaled_dot_product_attention": (
        [(1, 2, 6, 8), (1, 2, 6, 8), (1, 2, 6, 8)],
        _named(functional, "scaled_dot_product_attention"),
    ),
    "arithmetic": ([(64,), (64,)], lambda x, y: (x * y + x - y / 3.0).exp().sqrt()),
    "sum": ([(16, 8)], lambda x: x.sum(0) + x.mean(0)),
}


def _foreach() -> list[torch.Tensor]:
    ones, others = [_values((9,), 1), _values((5,), 2)], [_values((9,), 3), _values((5,), 4)]
    torch._foreach_mul_(ones, 0.9)
    torch._foreach_lerp_(ones, others, 0.1)
    torch._foreach_addcmul_(ones, others, others, 0.5)
    torch._foreach_addcdiv_(ones, others, [each.abs() + 0.5 for each in ones], -0.01)
    torch._foreach_add_(ones, others, alpha=-0.1)
    return [*ones, *torch._foreach_sqrt([each.abs() for each in ones])]


def _in_place() -> list[torch.Tensor]:
    one, other = _values((9,), 5), _values((9,), 6)
    one.mul_(0.9).add_(other, alpha=0.1).addcmul_(other, other, value=0.5)
    one.addcdiv_(other, other.abs() + 0.5, value=-0.01).lerp_(other, 0.1)
    return [one, one.clone().zero_().sub_(other)]


def _draws() -> list[torch.Tensor]:
    generator = torch.Generator(_CPU).manual_seed(11)
    drawn: list[Any] = [random.Random(11).random() for _ in range(4)]  # noqa: S311 - it is what is tested
    shuffled = torch.randperm(20, generator=generator, device=_CPU)
    return [
        torch.randn(8, generator=generator, device=_CPU, dtype=torch.float32),
        torch.rand(8, generator=generator, device=_CPU, dtype=torch.float32),
        shuffled,
        torch.tensor(drawn, dtype=torch.float64, device=_CPU),
    ]


_WITHOUT_GRADIENTS: dict[str, Callable[[], list[torch.Tensor]]] = {
    "foreach": _foreach,
    "in place": _in_place,
    "random": _draws,
}


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        return ""
    return names[0] if names else ""
