"""Replicas that disagree: the ranks of a data-parallel training hold the same parameters after each step.

Their digests are compared as the records come in, without any replay. One that differs was computed
otherwise: an update changed on one rank only, a broken device. What is compared and what is not, and why,
is in `docs/adr/0005-comparing-replicas.md`; the rule's page is `docs/rules/STEP001.md`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from veristep.core.canonical import Json
from veristep.core.records import UnitsDigest
from veristep.core.units import PREFIX_BYTES, chosen, cut, item_bytes
from veristep.core.verdicts import Finding, Severity, Suspect

RULE = "STEP001"
# Steps that wait for the records of other ranks; beyond that the oldest is given up.
MAX_WAITING = 4096
# Replicas nobody declared count as such after they agreed at this many steps.
LEARNED_STEPS = 20
MAX_NAMED = 8
# What comparing may cost the supervisor: reading digests from the tape takes 50 microseconds a rank.
TIME_SHARE, TIME_ALWAYS = 0.01, 0.5

DDP, UNKNOWN = "ddp", "unknown"
# Reads the digests of units behind one of a step's digests: tape place, and `params` or `grads`.
ReadPrefixes = Callable[[tuple[str, int, int, str], str], bytes | None]


@dataclass(frozen=True, slots=True)
class _Held:
    """How one rank holds one optimizer's parameters, as its ``tensors`` line says it."""

    how: str
    ranks: tuple[int, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    layout: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What one rank told of one step."""

    stream: str
    held: _Held
    params: UnitsDigest
    grads: UnitsDigest
    tape: tuple[str, int, int, str] | None


@dataclass(slots=True)
class _Group:
    """The ranks that hold one optimizer's parameters alike: steps compared, and where they last agreed."""

    agreed: int = 0
    agreed_at: int | None = None
    drifted: bool = False
    accused: set[tuple[str, ...]] = field(default_factory=set)


class Replicas:
    """Compares the replicas of one run."""

    def __init__(self, run: str, read: ReadPrefixes, clock: Callable[[], float] = time.monotonic) -> None:
        self.findings: list[Finding] = []
        self.compared: Counter[str] = Counter()
        self.not_compared: Counter[str] = Counter()
        self._run = run
        self._read = read
        self._clock = clock
        self._began = clock()
        self._spent = 0.0
        self._held: dict[str, list[_Held | None]] = {}
        self._groups: dict[tuple[int, int, tuple[int, ...]], _Group] = {}
        # By restart, step, optimizer and ranks.
        self._waiting: dict[tuple[int, int, int, tuple[int, ...]], dict[int, _Told]] = {}

    def hear(self, line: Mapping[str, Any]) -> None:
        """Take in a line of the run's log; a finding it leads to is in `findings`."""
        began = self._clock()
        if line.get("type") == "tensors":
            self._held[str(line["stream"])] = [_held(each) for each in line["optimizers"]]
        elif line.get("type") == "step":
            self._step(line)
        self._spent += self._clock() - began

    def line(self) -> dict[str, Json] | None:
        """Return the line that says, at the end, what was compared; None when there were no replicas."""
        if not (self.compared or self.not_compared or self._waiting):
            return None
        not_compared = dict(self.not_compared)
        if self._waiting:
            not_compared["not all ranks told of the step"] = len(self._waiting)
        return {"type": "replicas", "steps": dict(self.compared), "not_compared": not_compared}

    def _step(self, line: Mapping[str, Any]) -> None:
        stream, number, optimizer = str(line["stream"]), int(line["step"]), int(line["optimizer"])
        known = self._held.get(stream, [])
        held = known[optimizer] if optimizer < len(known) else None
        if held is None:
            return
        rank, _, restart = stream.partition(".")
        if held.how not in (DDP, UNKNOWN):
            self.not_compared[f"parameters are {held.how}"] += int(rank) == held.ranks[0]
            return
        tape = line["tape"]
        key = (int(restart or 0), number, optimizer, held.ranks)
        told = self._waiting.setdefault(key, {})
        told[int(rank)] = _Told(
            stream,
            held,
            UnitsDigest.from_json(line["params"]),
            UnitsDigest.from_json(line["grads"]),
            (str(tape[0]), int(tape[1]), int(tape[2]), str(tape[3])) if tape else None,
        )
        if told.keys() >= set(held.ranks):
            del self._waiting[key]
            group = self._groups.setdefault((key[0], optimizer, held.ranks), _Group())
            self._compare(group, number, told)
        elif len(self._waiting) > MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.not_compared["not all ranks told of the step"] += 1

    def _compare(self, group: _Group, step: int, told: Mapping[int, _Told]) -> None:
        if group.drifted:
            self.not_compared["ranks hold parameters of their own"] += 1
            return
        if len({each.held.layout for each in told.values()}) > 1:
            self.not_compared["ranks hold other tensors"] += 1
            return
        values = self._values(told, "params")
        if values is None:
            self.not_compared["the step shows no blocks of all ranks"] += 1
            return
        if len(set(values.values())) == 1:
            self.compared["agree"] += 1
            group.agreed += 1
            group.agreed_at = step
            return
        self.compared["differ"] += 1
        self._judge(group, step, told, values)

    def _judge(
        self, group: _Group, step: int, told: Mapping[int, _Told], values: Mapping[int, bytes]
    ) -> None:
        """Say whether a disagreement is one: ranks that never agreed may be meant to be different."""
        declared = all(each.held.how == DDP for each in told.values())
        gradients = self._values(told, "grads")
        alike = gradients is not None and len(set(gradients.values())) == 1
        if declared and not group.agreed and not alike and len(set(values.values())) == len(values):
            # Gradients are not synchronised either: ranks that average now and then, by hand.
            group.drifted = True
            return
        if not declared and group.agreed < LEARNED_STEPS:
            group.drifted = True
            return
        finding = self._finding(group, step, told, values, gradients, declared=declared)
        accused = tuple(str(suspect.value) for suspect in finding.suspects)
        if accused not in group.accused:
            group.accused.add(accused)
            self.findings.append(finding)

    def _finding(
        self,
        group: _Group,
        step: int,
        told: Mapping[int, _Told],
        values: Mapping[int, bytes],
        gradients: Mapping[int, bytes] | None,
        *,
        declared: bool,
    ) -> Finding:
        suspects = minority(values)
        tensors = self._tensors(told, suspects)
        names = ", ".join(str(rank) for rank in suspects)
        who = f"rank {names} differs from the others" if suspects else "no majority of ranks agrees"
        where = f", first in {tensors[0]}" if tensors else ""
        known = f"the other {len(values) - len(suspects)} of {len(values)} ranks agree"
        state = "not compared"
        if gradients is not None:
            state = "agree" if len(set(gradients.values())) == 1 else "differ"
        split = len(values) > 2 and not suspects
        return Finding(
            rule=RULE,
            severity=Severity.ERROR if declared and not split else Severity.WARNING,
            summary=f"replicas disagree after step {step}: {who}{where}",
            run=self._run,
            rank=suspects[0] if len(suspects) == 1 else None,
            step=step,
            suspects=tuple(Suspect("rank", str(rank), f"majority: {known}") for rank in suspects),
            evidence={
                "digests": {str(rank): each.params.root for rank, each in sorted(told.items())},
                "tensors": list(tensors),
                "gradients": state,
                "agreed_until": group.agreed_at,
                "steps_agreed": group.agreed,
                "declared": declared,
            },
        )

    def _values(self, told: Mapping[int, _Told], which: str) -> dict[int, bytes] | None:
        """Return what to compare for each rank; None when they show no blocks in common."""
        digests = {rank: _digest(each, which) for rank, each in told.items()}
        if any(each.units == 0 for each in digests.values()):
            return None
        if len({(each.units, each.total, each.seed) for each in digests.values()}) == 1:
            return {rank: each.root.encode() for rank, each in digests.items()}
        if len({(each.total, each.seed) for each in digests.values()}) > 1 or self._too_long():
            return None
        # Ranks stop at another block each: the digests of those they have in common lie on the tape.
        common = min(each.units for each in digests.values()) * PREFIX_BYTES
        prefixes = {rank: self._prefixes(each, which) for rank, each in told.items()}
        found = {rank: each[:common] for rank, each in prefixes.items() if each is not None}
        return found if len(found) == len(told) else None

    def _too_long(self) -> bool:
        return self._spent > TIME_ALWAYS + TIME_SHARE * (self._clock() - self._began)

    def _prefixes(self, told: _Told, which: str) -> bytes | None:
        return self._read(told.tape, which) if told.tape is not None else None

    def _tensors(self, told: Mapping[int, _Told], suspects: list[int]) -> list[str]:
        """Return the names of the tensors that differ, as far as the tape tells."""
        prefixes = {rank: self._prefixes(each, "params") for rank, each in told.items()}
        present = {rank: each for rank, each in prefixes.items() if each}
        if len(present) < len(told):
            return []
        usual = next((rank for rank in present if rank not in suspects), next(iter(present)))
        held, digest = told[usual].held, told[usual].params
        units = cut(held.sizes)
        if len(units) != digest.total:
            return []
        names: list[str] = []
        for place, number in enumerate(chosen(digest.units, digest.total, digest.seed)):
            span = slice(place * PREFIX_BYTES, (place + 1) * PREFIX_BYTES)
            seen = {each[span] for each in present.values() if len(each) >= span.stop}
            name = held.names[units[number].tensor]
            if len(seen) > 1 and name not in names:
                names.append(name)
        return sorted(names, key=held.names.index)[:MAX_NAMED]


def minority(values: Mapping[int, bytes]) -> list[int]:
    """Return the ranks that differ from what more than half of them hold; none if no value has that."""
    common, count = Counter(values.values()).most_common(1)[0]
    if 2 * count <= len(values):
        return []
    return sorted(rank for rank, value in values.items() if value != common)


def _digest(told: _Told, which: str) -> UnitsDigest:
    return told.params if which == "params" else told.grads


def _held(optimizer: Mapping[str, Any]) -> _Held | None:
    replicas = optimizer.get("replicas")
    if not isinstance(replicas, Mapping):
        return None
    shapes = tuple(tuple(int(size) for size in shape) for shape in optimizer["shapes"])
    dtypes = tuple(str(dtype) for dtype in optimizer["dtypes"])
    sizes = tuple(item_bytes(dtype) * _product(shape) for shape, dtype in zip(shapes, dtypes, strict=True))
    names = tuple(str(name) for name in optimizer["names"])
    ranks = tuple(int(rank) for rank in replicas["ranks"])
    layout = (shapes, dtypes, names)
    return _Held(str(replicas["how"]), ranks, names, sizes, layout)


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
