"""Where steps begin and end in a training script that knows nothing of us.

A step is one optimizer update: from its boundary to the return of ``Optimizer.step``. The boundary is
the first training forward of a root module after the update before. Three shapes of script have none
there: an optimizer that calls the forward itself (LBFGS and its closure) begins at the call of its
step; a script whose forward is inside a compiled function begins where its loader yields; one without
even a loader begins where the update before it ended.

The tracker only finds steps. What is done at each point is up to its `Sink`: recording, or replaying.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer

from veristep.core.records import CLOSURE, FORWARD, NONE, POST_STEP, YIELD
from veristep.record import randomness_torch as randomness
from veristep.record.memory import MEMORY
from veristep.record.state_torch import Roster, unwrapped
from veristep.record.tree_torch import leaves

# How many modules deep a trained parameter is looked for before all are gone through.
_LOOK_DEEP = 6
_FLOATS = {torch.float32: Struct("<f"), torch.float64: Struct("<d")}
_grad_enabled = torch.is_grad_enabled
# Not -1 while autograd is running: a forward then is a checkpointed one being computed again.
_graph_task = torch._C._current_graph_task_id


@dataclass(slots=True)
class Fetch:
    """One batch a loader yielded while gradients were on.

    Attributes:
        slot: number of the data set the loader reads, in order of first use.
        index: number of the batch among those of its slot.
        tensors: copies of its tensors (`copies_torch.Copy`), or nothing when they are not kept.
        rng: random states when it was handed over.
        samples: what its samples were drawn by (`samples_torch.of_batch`); None where that is not known.
    """

    slot: int
    index: int
    tensors: list[Any]
    rng: randomness.State
    samples: Any = None


@dataclass(slots=True)
class Underway:
    """The step that has begun, or will begin at the next boundary."""

    number: int
    boundary: str = ""
    by_closure: bool = False
    awaits_closure: bool = False
    began_ns: int = 0
    forwards: int = 0
    calls: int = 0
    fetched: int = 0
    skipped: int = 0
    fetches: list[Fetch] = field(default_factory=list)
    inputs: list[list[Any]] = field(default_factory=list)
    outputs: list[weakref.ref[torch.Tensor]] = field(default_factory=list)
    rng_after_last: randomness.State | None = None
    rng: randomness.State | None = None
    yields: dict[str, int] = field(default_factory=dict)
    consumed: dict[str, int] = field(default_factory=dict)
    evaluated: set[int] = field(default_factory=set)
    loss: float | torch.Tensor | None = None
    loss_seen: bool = False
    scale: torch.Tensor | None = None
    kept_bytes: int = 0

    @property
    def opened(self) -> bool:
        """Whether its boundary has passed."""
        return bool(self.boundary)


class Sink(Protocol):
    """What is done at each point of a step."""

    def boundary(self, step: Underway, *, clean: bool) -> None:
        """A step begins; a snapshot can be taken or put in place here when `clean`."""

    def batch(self, step: Underway, slot: int, index: int, value: Any, samples: Any) -> Any:
        """A loader yields `value`, drawn by `samples`; return what the script is to get."""

    def epoch(self, step: Underway, slot: int, first: int, loader: Any) -> None:
        """A loader begins an epoch with its batch `first`; slot -1 is one that no training is seen in."""

    def inputs(self, step: Underway, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """A root module is called in training; return its arguments."""

    def evaluated(self, step: Underway, args: Any, kwargs: Any) -> None:
        """A root module is called in evaluation: what it is given belongs to no step."""

    def closure_ahead(self, step: Underway, optimizer: Optimizer) -> None:
        """An update begins whose gradients its closure has yet to compute."""

    def before_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """The gradients are there and the update is about to happen."""

    def after_update(self, step: Underway, optimizer: Optimizer, number: int) -> None:
        """The update has happened; the step is over."""


class Tracker:
    """Follows a training process from step to step."""

    def __init__(self, build: Callable[[Roster], Sink], roster: Roster) -> None:
        self.roster = roster
        self._build = build
        self._sink: Sink | None = None
        self.underway = Underway(0)
        self.counts: dict[str, int] = {}
        self._slots: list[weakref.ref[Any] | int] = []
        self._stepping: list[Optimizer] = []
        self._saw_optimizer = False
        # A script may train a model in evaluation mode; that is known once a step had no other forward.
        self._evaluation_counts = False
        # Whether the last call of a root module belonged to a step: the loss that follows it then does.
        self._in_training = False
        # Per root module that trains, by `id`: itself, and its first trained parameter.
        self._trained: dict[int, tuple[weakref.ref[nn.Module], weakref.ref[nn.Parameter]]] = {}
        # The optimizer that steps, by its number.
        self._number = 0
        self._evaluation_forwards = 0
        self._fallback = FORWARD

    @property
    def sink(self) -> Sink:
        """What is done at each point; built when the process turns out to train."""
        if self._sink is None:
            self._sink = self._build(self.roster)
        return self._sink

    @property
    def built(self) -> Sink | None:
        """The sink, if the process has trained at all."""
        return self._sink

    # -- forwards -----------------------------------------------------------------------------------

    def called(self, module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any, bool]:
        """A root module is called; return its arguments and whether the call belongs to a step."""
        # Speed: most often a root module is called again whose first trained parameter is known.
        known = self._trained.get(id(module))
        parameter = known[1]() if known is not None and known[0]() is module else None
        trains = (parameter is not None and parameter.requires_grad) or self._meets(module)
        self._in_training = False
        if not self._saw_optimizer or _graph_task() != -1:
            return args, kwargs, False
        with_grad = _grad_enabled()
        if not with_grad or not (module.training or self._evaluation_counts or _in_training(module)):
            self._evaluation_forwards += trains and with_grad
            if self._sink is not None:
                self._sink.evaluated(self.underway, args, kwargs)
            return args, kwargs, False
        step = self.underway
        if not step.boundary:
            if not trains:
                return args, kwargs, False
            self._open(FORWARD)
        step.forwards += 1
        step.calls += 1
        self._in_training = True
        args, kwargs = (self._sink or self.sink).inputs(step, args, kwargs)
        return args, kwargs, True

    def loss_called(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """A loss function is called outside any module: its target may be seen nowhere else."""
        step = self.underway
        if not self._in_training or not step.boundary or not _grad_enabled() or _graph_task() != -1:
            return args, kwargs
        step.loss_seen = True
        step.calls += 1
        return (self._sink or self.sink).inputs(step, args, kwargs)

    def returned(self, result: Any) -> None:
        """A root module's training call returned: note its outputs, and its loss if it shows one."""
        step = self.underway
        for leaf in [result] if type(result) is torch.Tensor else leaves(result):
            step.outputs.append(weakref.ref(leaf))
            if leaf.numel() == 1 and leaf.requires_grad:
                step.loss = _shown(leaf)
                step.loss_seen = True

    def backward(self, tensors: Any) -> None:
        """Backward starts: what it starts from is the loss."""
        first = tensors[0] if isinstance(tensors, (list, tuple)) and tensors else tensors
        if isinstance(first, torch.Tensor) and first.numel() == 1:
            self.underway.loss = _shown(first)

    def backward_ended(self) -> None:
        """Backward has ended: the gradients are as it left them."""
        left = getattr(self._sink, "gradients", None)
        if left is not None and self.underway.boundary and not self._stepping:
            left(self.underway)

    # -- batches ------------------------------------------------------------------------------------

    def fetched(self, dataset: Any, value: Any, samples: Any = None) -> Any:
        """A loader yields a batch; return the one the script is to get."""
        if not self._saw_optimizer or not torch.is_grad_enabled():
            return value
        slot = self._slot(dataset)
        if slot and self._evaluates():
            return value  # a batch belongs to the step that uses it, and no step will use this one
        index = self.counts.get(str(slot), 0)
        self.counts[str(slot)] = index + 1
        self.underway.fetched += 1
        value = self.sink.batch(self.underway, slot, index, value, samples)
        if self._fallback == YIELD and not self.underway.opened:
            self._open(YIELD)
        return value

    def epoch_begins(self, loader: Any) -> None:
        """A loader is about to be gone through from its beginning."""
        if not self._saw_optimizer:
            return
        if torch.is_grad_enabled():
            slot = self._slot(loader.dataset)
            self.sink.epoch(self.underway, slot, self.counts.get(str(slot), 0), loader)
        elif self._sink is not None:
            self._sink.epoch(self.underway, -1, 0, loader)

    def scheduler_built(self, scheduler: Any) -> None:
        """A learning-rate scheduler exists."""
        self.roster.scheduler(scheduler)

    # -- updates ------------------------------------------------------------------------------------

    def optimizer_built(self, optimizer: Optimizer) -> None:
        """An optimizer exists: from here on, forwards can belong to a step."""
        self.roster.optimizer(optimizer)
        self._saw_optimizer = True

    def update_begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> bool:
        """``Optimizer.step`` was called; return whether its closure's first return is to be told of."""
        if self._stepping and not _is_stepping(self._stepping[0]):
            self._stepping.clear()  # the step before raised and never returned
        self._stepping.append(optimizer)
        if len(self._stepping) > 1:
            return False  # an optimizer that wraps others: the outermost update is the step
        self._saw_optimizer = True
        self._number = number = self.roster.optimizer(optimizer)
        closure = kwargs.get("closure", args[1] if len(args) > 1 else None)
        if not self.underway.boundary:
            self._open(CLOSURE if callable(closure) else NONE)
        if not callable(closure):
            (self._sink or self.sink).before_update(self.underway, optimizer, number)
            return False
        self.underway.by_closure = self.underway.awaits_closure = True
        self.sink.closure_ahead(self.underway, optimizer)
        return True

    def closure_returned(self, optimizer: Optimizer) -> None:
        """The closure of an update has computed the gradients; later calls only refine the step."""
        if self.underway.awaits_closure:
            self.underway.awaits_closure = False
            self.sink.before_update(self.underway, optimizer, self._number)

    def update_ended(self, optimizer: Optimizer) -> None:
        """``Optimizer.step`` is about to return."""
        if self._stepping:
            self._stepping.pop()
        if self._stepping:
            return
        step = self.underway
        if step.awaits_closure:
            self.closure_returned(optimizer)  # it was never called
        if step.number == 0:
            self._learn(step)
        try:
            (self._sink or self.sink).after_update(step, optimizer, self._number)
        finally:
            # The update has happened, whatever became of its record: the next one has the next number.
            self.underway = Underway(step.number + 1)
        if not step.fetched and not step.loss_seen:
            # Without a loader, and with a loss computed by hand, a target drawn from here on is never
            # seen: it comes out the same when it is drawn from the same states.
            self.underway.rng_after_last = randomness.capture()
        if self._fallback == POST_STEP:
            self._open(POST_STEP)

    def scaler_used(self, scaler: Any) -> None:
        """A gradient scaler is about to step an optimizer."""
        self.roster.scaler(scaler)
        if scaler.is_enabled() and scaler._scale is not None:
            self.underway.scale = scaler._scale.clone()  # it is updated in place

    def update_skipped(self, optimizer: Optimizer) -> None:
        """A gradient scaler left an update out."""
        self._saw_optimizer = True
        self.roster.optimizer(optimizer)
        self.underway.skipped += 1

    # -- inner workings -----------------------------------------------------------------------------

    def _meets(self, module: nn.Module) -> bool:
        """Note a root module that is called; return whether any of its parameters is trained."""
        parameter = _first_trained(module)
        if parameter is not None or next(module.buffers(), None) is not None:
            self.roster.module(module)
        if parameter is None:
            self._trained.pop(id(module), None)
            return False
        self._trained[id(module)] = weakref.ref(module), weakref.ref(parameter)
        return True

    def _open(self, boundary: str) -> None:
        step = self.underway
        step.boundary = boundary
        step.began_ns = time.time_ns()
        step.yields = dict(self.counts)
        clean = boundary != NONE
        (self._sink or self.sink).boundary(step, clean=clean)
        # The sink may have put other random states in place; what counts is what the step draws from.
        step.rng = randomness.capture()

    def _learn(self, first: Underway) -> None:
        """Decide from the first step where the steps of this script begin."""
        if first.boundary != NONE:
            return
        if self._evaluation_forwards:
            self._evaluation_counts = True
        else:
            self._fallback = YIELD if first.fetched else POST_STEP

    def _evaluates(self) -> bool:
        """Whether an evaluation goes on: every module that is called from outside is in that mode."""
        modules = [module for module in self.roster.modules() if module is not None]
        return bool(modules) and not self._evaluation_counts and not any(map(_in_training, modules))

    def _slot(self, dataset: Any) -> int:
        for number, known in enumerate(self._slots):
            alive = known() if isinstance(known, weakref.ref) else known
            if alive is dataset or (isinstance(known, int) and known == id(dataset)):
                return number
        try:
            self._slots.append(weakref.ref(dataset))
        except TypeError:
            self._slots.append(id(dataset))
        return len(self._slots) - 1


def _shown(number: torch.Tensor) -> float | torch.Tensor:
    """Return what a tensor of one element holds; itself, without its graph, where that may mean waiting."""
    if type(number) is torch.Tensor and number.is_cpu and number.layout is torch.strided:
        form = _FLOATS.get(number.dtype)
        if form is not None:
            address = number.data_ptr()
            value: float = form.unpack(MEMORY[address : address + form.size])[0]
            return value
    return number.detach()


def _first_trained(module: nn.Module) -> nn.Parameter | None:
    """Return the first trained parameter that is found in a module."""
    # Speed: the first parameter answers nearly always, and `parameters` takes ten calls to reach it.
    inner: nn.Module | None = module
    for _ in range(_LOOK_DEEP):
        if inner is None:
            break
        for parameter in inner._parameters.values():
            if parameter is not None and parameter.requires_grad:
                return parameter
        inner = next(iter(inner._modules.values()), None)
    return next((parameter for parameter in module.parameters() if parameter.requires_grad), None)


def _in_training(module: nn.Module) -> bool:
    """Whether any part of a module is in training mode; the mode of a wrapper around it means nothing."""
    return any(part.training for part in unwrapped(module).modules())


def _is_stepping(optimizer: Optimizer) -> bool:
    """Whether the step of this optimizer is on the stack."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "wrapper" and frame.f_locals.get("self") is optimizer:
            return True
        frame = frame.f_back
    return False
