"""The places where torch tells us what a training script does.

A few functions are wrapped and two documented hooks registered, once per process. Every wrapper calls the
original with what it was given, returns what it returned, and lets nothing of ours out.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import nn
from torch.amp import grad_scaler
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import _get_current_dispatch_mode
from torch.utils.data import dataloader

from veristep.core.canonical import Json
from veristep.record import samples_torch, sources_torch
from veristep.record.channel import complain
from veristep.record.files import RefusedWrite, path_of
from veristep.record.steps_torch import Tracker

# After this many errors of our own in one process, something is wrong for good: recording stops.
MAX_ERRORS = 5
# Loss functions whose names do not say so.
_OTHER_LOSSES = (
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "linear_cross_entropy",
)


class Guard:
    """Calls our own code so that none of its errors reaches the training."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.errors = 0

    @property
    def active(self) -> bool:
        """Whether recording still goes on."""
        return self.errors < MAX_ERRORS

    def failed(self, error: Exception) -> None:
        """One of our calls raised: note it, unless it was the script's own exception.

        A signal handler of the script may run, and raise, while our code does; that is the script's
        business and goes on to it.
        """
        if isinstance(error, RefusedWrite) or _from_signal_handler(error):
            raise error
        self.errors += 1
        gap = getattr(self.tracker.built, "gap", None)
        if self.errors == 1:
            complain(f"a step could not be recorded ({error!r}); training goes on")
        if gap is not None:
            gap(f"error:{type(error).__name__}", repr(error)[:500])
            if self.errors == MAX_ERRORS:
                gap("stopped", f"after {MAX_ERRORS} errors nothing is recorded from this step on")


class Files(Protocol):
    """Who is told of files that torch writes outside Python."""

    def will_write(self, path: str) -> None:
        """A file is about to be written."""

    def wrote(self, path: str) -> None:
        """A file was written completely."""

    def early_lines(self) -> list[dict[str, Json]]:
        """Return, once, what was noted before the process began to train."""


class Process:
    """The recording of this process; a forked child gets a new one."""

    def __init__(self, make: Callable[[], Guard], watch: Files) -> None:
        self._make = make
        self.guard = make()
        self.watch = watch
        self.inside = False
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        self.guard = self._make()
        self.inside = False


def install(process: Process) -> None:
    """Wrap what torch offers; called once, when torch has been imported."""
    _wrap_module_call(process)
    _wrap_losses(process)
    _wrap_backward(process)
    _wrap_loader(process)
    _wrap_scaler(process)
    _wrap_save(process)
    _wrap_optimizer(process)
    sources_torch.install(_Followed(process))
    samples_torch.install()


class _Followed:
    """Tells the tracker of loaders and schedulers."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def loader_begins(self, loader: Any) -> None:
        """Tell of an epoch."""
        _guarded(self._process, "epoch_begins", loader)

    def scheduler_built(self, scheduler: Any) -> None:
        """Tell of a scheduler."""
        _guarded(self._process, "scheduler_built", scheduler)


def _wrap_module_call(process: Process) -> None:
    original = nn.Module.__call__
    compiling = torch.compiler.is_compiling

    @functools.wraps(original)
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        # Every submodule comes through here; only calls from outside any module are of interest.
        if process.inside or compiling():
            return original(self, *args, **kwargs)
        return _root_call(process, original, self, args, kwargs)

    nn.Module.__call__ = call  # type: ignore[method-assign]


def _root_call(
    process: Process, original: Callable[..., Any], module: nn.Module, args: Any, kwargs: Any
) -> Any:
    guard = process.guard
    counts = False
    process.inside = True
    try:
        if guard.errors < MAX_ERRORS:
            try:
                args, kwargs, counts = guard.tracker.called(module, args, kwargs)
            except Exception as error:  # noqa: BLE001 - boundary
                guard.failed(error)
        result = original(module, *args, **kwargs)
    finally:
        process.inside = False
    if counts:
        try:
            guard.tracker.returned(result)
        except Exception as error:  # noqa: BLE001 - boundary
            guard.failed(error)
    return result


def _wrap_losses(process: Process) -> None:
    names = [name for name in vars(functional) if name.endswith("_loss") and name[0] != "_"]
    for name in [*names, *_OTHER_LOSSES]:
        original = getattr(functional, name, None)
        if callable(original):
            setattr(functional, name, _loss_wrapper(process, original))


def _loss_wrapper(process: Process, original: Callable[..., Any]) -> Callable[..., Any]:
    compiling = torch.compiler.is_compiling

    @functools.wraps(original)
    def loss(*args: Any, **kwargs: Any) -> Any:
        # A loss inside a module is that module's business; one that is being traced has no values.
        guard = process.guard
        stopped = guard.errors >= MAX_ERRORS
        if stopped or process.inside or compiling() or _get_current_dispatch_mode():
            return original(*args, **kwargs)
        try:
            args, kwargs = guard.tracker.loss_called(args, kwargs)
        except Exception as error:  # noqa: BLE001 - boundary
            guard.failed(error)
        return original(*args, **kwargs)

    return loss


def _wrap_backward(process: Process) -> None:
    original = torch.autograd.backward

    @functools.wraps(original)
    def backward(*args: Any, **kwargs: Any) -> Any:
        tensors = args[0] if args else kwargs.get("tensors")
        _guarded(process, "backward", tensors)
        result = original(*args, **kwargs)
        _guarded(process, "backward_ended")
        return result

    torch.autograd.backward = backward


def _wrap_loader(process: Process) -> None:
    original = dataloader._BaseDataLoaderIter.__next__

    @functools.wraps(original)
    def __next__(self: Any) -> Any:  # noqa: N807 - it takes the place of the method of that name
        value = original(self)
        guard = process.guard
        try:
            samples = samples_torch.of_batch(self)
            if guard.active:
                return guard.tracker.fetched(self._dataset, value, samples)
        except Exception as error:  # noqa: BLE001 - boundary
            guard.failed(error)
        return value

    dataloader._BaseDataLoaderIter.__next__ = __next__  # type: ignore[method-assign]


def _wrap_scaler(process: Process) -> None:
    original = grad_scaler.GradScaler.step

    @functools.wraps(original)
    def step(self: Any, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        _guarded(process, "scaler_used", self)
        before = process.guard.tracker.underway.number
        result = original(self, optimizer, *args, **kwargs)
        if process.guard.tracker.underway.number == before:
            _guarded(process, "update_skipped", optimizer)
        return result

    grad_scaler.GradScaler.step = step  # type: ignore[method-assign]


def _wrap_save(process: Process) -> None:
    original = torch.save

    @functools.wraps(original)
    def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> Any:
        path = path_of(f) if isinstance(f, (str, os.PathLike)) else ""
        # torch opens the file outside Python, where no audit event tells of it.
        if path:
            _told(process, lambda: process.watch.will_write(path))
        result = original(obj, f, *args, **kwargs)
        if path:
            _told(process, lambda: process.watch.wrote(path))
        return result

    torch.save = save
    torch.serialization.save = save


def wrap_safetensors(process: Process, module: Any) -> None:
    """Follow the files ``safetensors.torch.save_file`` writes, which it does outside Python."""
    original = module.save_file

    @functools.wraps(original)
    def save_file(tensors: Any, filename: Any, *args: Any, **kwargs: Any) -> Any:
        path = path_of(filename)
        _told(process, lambda: process.watch.will_write(path))
        result = original(tensors, filename, *args, **kwargs)
        _told(process, lambda: process.watch.wrote(path))
        return result

    module.save_file = save_file
    read = module.load_file

    @functools.wraps(read)
    def load_file(filename: Any, *args: Any, **kwargs: Any) -> Any:
        # It is opened outside Python: what would have been told of an open is told for it.
        _told(process, lambda: sys.audit("open", path_of(filename), "rb", os.O_RDONLY))
        return read(filename, *args, **kwargs)

    module.load_file = load_file


def _wrap_optimizer(process: Process) -> None:
    original = Optimizer.__init__

    @functools.wraps(original)
    def __init__(self: Optimizer, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        original(self, *args, **kwargs)
        _guarded(process, "optimizer_built", self)

    Optimizer.__init__ = __init__  # type: ignore[method-assign]

    # These two run at every step, so they do without `_guarded`.
    def before(optimizer: Optimizer, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        guard = process.guard
        if guard.errors < MAX_ERRORS:
            try:
                if guard.tracker.update_begins(optimizer, args, kwargs):
                    return _with_closure_followed(process, optimizer, args, kwargs)
            except Exception as error:  # noqa: BLE001 - boundary
                guard.failed(error)
        return None

    def after(optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        guard = process.guard
        if guard.errors < MAX_ERRORS:
            try:
                guard.tracker.update_ended(optimizer)
            except Exception as error:  # noqa: BLE001 - boundary
                guard.failed(error)

    register_optimizer_step_pre_hook(before)
    register_optimizer_step_post_hook(after)


def _with_closure_followed(
    process: Process, optimizer: Optimizer, args: Any, kwargs: Any
) -> tuple[Any, Any]:
    """Return a step's arguments with a closure that tells when it returned: then gradients are there."""
    positional = "closure" not in kwargs
    original = args[1] if positional else kwargs["closure"]

    @functools.wraps(original)
    def closure(*given: Any, **named: Any) -> Any:
        result = original(*given, **named)
        _guarded(process, "closure_returned", optimizer)
        return result

    if positional:
        return (args[0], closure, *args[2:]), kwargs
    return args, {**kwargs, "closure": closure}


def _guarded(process: Process, method: str, *args: Any) -> None:
    guard = process.guard
    if not guard.active:
        return
    try:
        getattr(guard.tracker, method)(*args)
    except Exception as error:  # noqa: BLE001 - boundary
        guard.failed(error)


def _told(process: Process, tell: Callable[[], None]) -> None:
    """Tell the file watch; in a replay its refusal is meant to reach the script."""
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - boundary
        process.guard.failed(error)


def _from_signal_handler(error: Exception) -> bool:
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    codes = {getattr(handler, "__code__", None) for handler in handlers if callable(handler)}
    codes.discard(None)
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False
