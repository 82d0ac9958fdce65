"""Measuring how far a replayed update is from the recorded one, by the sketch on the tape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from veristep.core.records import StepRecord
from veristep.core.sketch import Line, lines
from veristep.record import sketch_torch as sketches
from veristep.record.tensors_torch import chosen_units, layout
from veristep.replay.order import Sampled

# When the step itself shows nothing of a differing tensor, so many later steps are looked at.
LATER_STEPS = 24
# Lines of the differing tensors that are enough.
ENOUGH_LINES = 4
# Of a tensor that is known whole, no more coordinates than this are kept, evenly spread.
MAX_COORDINATES = 256


@dataclass(slots=True)
class Measuring:
    """Measures the update of one step.

    The parameters before the step are those of the run: everything up to it agreed. So the recorded update
    is what the sketch shows after the step, less what was there before it. A coordinate that only a later
    step shows tells nearly the same: a difference, once made, stays in the parameters.

    Attributes:
        step: the step.
        differing: names of the tensors that differ.
        found: what was measured so far.
    """

    step: int
    differing: Sequence[str] = ()
    found: list[Sampled] = field(default_factory=list)
    _optimizer: int = -1
    _before: list[torch.Tensor] = field(default_factory=list)
    _after: list[torch.Tensor] = field(default_factory=list)

    def before(self, record: StepRecord, parameters: Sequence[torch.Tensor]) -> None:
        """Keep the parameters as they are before the update of the step."""
        if record.step == self.step:
            self._optimizer = record.optimizer
            self._before = [each.detach().clone() for each in parameters]

    def after(
        self,
        record: StepRecord,
        chunk: dict[str, Any],
        parameters: Sequence[torch.Tensor],
        names: Sequence[str],
    ) -> bool:
        """Take what the sketch of a step shows; return whether that is enough."""
        if not self._before:
            return True
        if record.step == self.step:
            self._after = [each.detach().clone() for each in parameters]
        later = record.step - self.step
        if record.optimizer == self._optimizer:
            for line, recorded in recorded_lines(record, chunk, parameters):
                drift = recorded - _values(parameters[line.tensor], line)
                replayed = _values(self._after[line.tensor], line)
                replayed = replayed - _values(self._before[line.tensor], line)
                name = names[line.tensor] if line.tensor < len(names) else f"tensor {line.tensor}"
                self.found.append(
                    Sampled(
                        record.step, name, line.start, line.weight, later,
                        (replayed + drift).tolist(), replayed.tolist(),
                    )
                )  # fmt: skip
        shown = sum(1 for each in self.found if each.tensor in self.differing)
        return later >= LATER_STEPS or shown >= ENOUGH_LINES or (shown > 0 and later == 0)


class Observing:
    """Tells what the parameters are after each step, where the run's sketches show them.

    With a `jitter`, every parameter is moved by one unit in its last place, or not, before the first step
    and after each: rounding as another machine might do it (Monte Carlo arithmetic, Parker 1997). All ranks
    draw the same, so that replicas stay replicas.
    """

    def __init__(self, jitter: int) -> None:
        self._chance = torch.Generator().manual_seed(jitter) if jitter else None
        self._before: list[torch.Tensor] = []

    def before(self, record: StepRecord, chunk: dict[str, Any], parameters: Sequence[torch.Tensor]) -> None:
        """Note what is there before an update."""
        shown = recorded_lines(record, chunk, parameters)
        self._before = [_values(parameters[line.tensor], line) for line, _ in shown]

    def after(
        self,
        record: StepRecord,
        chunk: dict[str, Any],
        parameters: Sequence[torch.Tensor],
        names: Sequence[str],
    ) -> list[Sampled]:
        """Return what the run and the replay have after an update."""
        found = []
        shown = recorded_lines(record, chunk, parameters)
        for (line, recorded), before in zip(shown, self._before, strict=False):
            name = names[line.tensor] if line.tensor < len(names) else f"tensor {line.tensor}"
            values = _values(parameters[line.tensor], line)
            found.append(
                Sampled(
                    record.step, name, line.start, line.weight, 0,
                    recorded.tolist(), values.tolist(), (values - before).tolist(),
                )
            )  # fmt: skip
        return found

    @torch.no_grad()
    def jitter(self, parameters: Sequence[torch.Tensor]) -> None:
        """Move parameters in their last place."""
        if self._chance is None:
            return
        for each in parameters:
            if sketches.sampled(each) and each.is_floating_point():
                signs = torch.randint(-1, 2, each.shape, generator=self._chance).to(each.device, each.dtype)
                each.mul_(1 + signs * torch.finfo(each.dtype).eps)


def state(step: int, path: str, recorded: torch.Tensor, live: Any) -> list[Sampled]:
    """Return the values of a state tensor known whole, at coordinates evenly spread over it."""
    if not isinstance(live, torch.Tensor) or recorded.shape != live.shape or not recorded.numel():
        return []
    stride = -(-recorded.numel() // MAX_COORDINATES)
    one, other = (_floats(each.detach().reshape(-1)[::stride].cpu()) for each in (recorded, live))
    return [Sampled(step, path, 0, float(stride), 0, one.tolist(), other.tolist())]


def recorded_lines(
    record: StepRecord, chunk: dict[str, Any], parameters: Sequence[torch.Tensor]
) -> list[tuple[Line, torch.Tensor]]:
    """Return the lines of a step's sketch with the recorded values; none where they do not fit."""
    sketch = chunk.get("sketch")
    if not sketch or not sketch["draws"] or not all(map(sketches.sampled, parameters)):
        return []
    units = layout(parameters)
    if len(units) != record.params.total:
        return []
    found = []
    values, at = bytearray(sketch["values"]), 0
    for line in lines(units, chosen_units(record.params), sketch["draws"]):
        size = line.stop - line.start
        if at + size > len(values):
            return []
        dtype = parameters[line.tensor].dtype
        piece = torch.frombuffer(values[at : at + size], dtype=dtype)
        found.append((line, _floats(piece)))
        at += size
    return found


def _values(tensor: torch.Tensor, line: Line) -> torch.Tensor:
    return _floats(sketches.part(tensor, line).cpu())


def _floats(tensor: torch.Tensor) -> torch.Tensor:
    """Return values as float64: real and imaginary parts of complex ones beside each other."""
    plain = torch.view_as_real(tensor).reshape(-1) if tensor.is_complex() else tensor
    return plain.to(torch.float64)
