"""What a run leaves behind, line by line.

A run log is a sequence of JSON lines. Every line names its ``type`` and the ``stream`` that wrote it:
one stream per training process, named after its rank (``"0"``, and ``"0.1"`` for the second process
that trained as rank 0). Lines of a stream are numbered (``seq``) and chained (``prev``), so that a
missing or reordered line shows.

Types of a training process: ``platform``, ``tensors``, ``step``, ``snapshot``, ``artifact``,
``preserved``, ``gap``, ``bye``. Types of the supervisor: ``hello``, ``environment``, ``stream``,
``signal``, ``heartbeat``, ``gap``, ``exit``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from veristep.core.canonical import Json, decode_object, encode, number
from veristep.errors import MalformedError

# Where a step begins: at the first training forward of a root module; at the call of an optimizer that
# runs the forward itself; at a loader's yield or the end of the step before, when neither is seen; or
# nowhere of its own, when it shares the forward of the step before.
FORWARD, CLOSURE, YIELD, POST_STEP, NONE = "forward", "closure", "yield", "post-step", "none"

# The supervisor's own stream, or a rank, or rank and restart.
STREAM_NAME = re.compile(r"supervisor|[0-9]{1,9}(\.[0-9]{1,9})?")
CHAIN_START = hashlib.sha256(b"veristep/run-log-chain/v1").hexdigest()


@dataclass(frozen=True, slots=True)
class UnitsDigest:
    """One digest over a set of tensors, cut into units (`blake3:units-v1`).

    Attributes:
        root: 64 hex digits over the digests of the chosen units, in the order chosen.
        units: how many units were digested.
        total: how many there were.
        seed: chooses the order (`core.units.order`); None when all were digested in natural order.
    """

    root: str
    units: int
    total: int
    seed: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every unit was digested."""
        return self.units == self.total

    def to_json(self) -> list[Json]:
        """Return the JSON form: ``[root, units, total, seed]``."""
        return [self.root, self.units, self.total, self.seed]

    @classmethod
    def from_json(cls, value: Any) -> UnitsDigest:
        """Parse the JSON form.

        Raises:
            MalformedError: the value has another shape.
        """
        match value:
            case [str(root), int(units), int(total), int() | None as seed]:
                return cls(root, units, total, seed)
        raise MalformedError(f"not a units digest: {value!r}")


@dataclass(frozen=True, slots=True)
class StepRecord:
    """The digests and scalars of one optimizer update on one rank.

    Attributes:
        stream: the training process that took the step.
        step: number of the update in its process, from 0, over all optimizers.
        optimizer: number of the optimizer, in order of first use.
        began_ns: wall clock at the boundary, nanoseconds since the epoch.
        ended_ns: wall clock when the update returned.
        boundary: where the step began: forward, closure, yield, post-step, or none when it shares
            the forward pass of the step before.
        entry: parameters at the boundary, of all optimizers.
        batch: digest of the batches fetched and of the forward's inputs.
        rng: digest of the random states at the boundary.
        hyper: hyperparameters of each parameter group just before the update.
        grads: gradients just before the update, of the stepping optimizer.
        params: parameters just after the update, of the stepping optimizer.
        forwards: training forwards of root modules during the step.
        skipped: updates a gradient scaler left out during the step.
        yields: per loader slot, batches fetched so far, at the boundary.
        consumed: per loader slot, the first batch that a forward of the step was seen to use.
        loss: what backward started from, unscaled, when it was visible.
        grad_norm: Euclidean norm over all gradients, when it was measured.
        tape: file, byte offset, byte length and BLAKE3 of the step's tape chunk.
    """

    stream: str
    step: int
    optimizer: int
    began_ns: int
    ended_ns: int
    boundary: str
    entry: UnitsDigest | None
    batch: str
    rng: str
    hyper: Sequence[Mapping[str, Json]]
    grads: UnitsDigest
    params: UnitsDigest
    forwards: int
    skipped: int
    yields: Mapping[str, int]
    consumed: Mapping[str, int]
    loss: float | None
    grad_norm: float | None
    tape: tuple[str, int, int, str] | None

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form of the line, without its chain fields."""
        return {
            "type": "step",
            "stream": self.stream,
            "step": self.step,
            "optimizer": self.optimizer,
            "began_ns": self.began_ns,
            "ended_ns": self.ended_ns,
            "boundary": self.boundary,
            "entry": self.entry.to_json() if self.entry else None,
            "batch": self.batch,
            "rng": self.rng,
            "hyper": [dict(group) for group in self.hyper],
            "grads": self.grads.to_json(),
            "params": self.params.to_json(),
            "forwards": self.forwards,
            "skipped": self.skipped,
            "yields": dict(self.yields),
            "consumed": dict(self.consumed),
            "loss": number(self.loss),
            "grad_norm": number(self.grad_norm),
            "tape": list(self.tape) if self.tape else None,
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> StepRecord:
        """Parse the JSON form.

        Raises:
            MalformedError: a field is missing or has another type.
        """
        try:
            tape = line["tape"]
            return cls(
                stream=str(line["stream"]),
                step=int(line["step"]),
                optimizer=int(line["optimizer"]),
                began_ns=int(line["began_ns"]),
                ended_ns=int(line["ended_ns"]),
                boundary=str(line["boundary"]),
                entry=UnitsDigest.from_json(line["entry"]) if line["entry"] else None,
                batch=str(line["batch"]),
                rng=str(line["rng"]),
                hyper=tuple(line["hyper"]),
                grads=UnitsDigest.from_json(line["grads"]),
                params=UnitsDigest.from_json(line["params"]),
                forwards=int(line["forwards"]),
                skipped=int(line["skipped"]),
                yields={str(slot): int(count) for slot, count in line["yields"].items()},
                consumed={str(slot): int(index) for slot, index in line["consumed"].items()},
                loss=_float(line["loss"]),
                grad_norm=_float(line["grad_norm"]),
                tape=(str(tape[0]), int(tape[1]), int(tape[2]), str(tape[3])) if tape else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise MalformedError(f"not a step record: {error!r}") from error


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """Where the state at a step boundary is kept.

    Attributes:
        stream: the training process.
        step: the step that begins there.
        object: name of the snapshot's manifest in the object store.
        size: bytes of the state.
        stored: bytes of it that were not stored already.
        seen_ns: time the training thread spent on it.
    """

    stream: str
    step: int
    object: str
    size: int
    stored: int
    seen_ns: int

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form of the line, without its chain fields."""
        return {
            "type": "snapshot",
            "stream": self.stream,
            "step": self.step,
            "objects": self.object,
            "size": self.size,
            "stored": self.stored,
            "seen_ns": self.seen_ns,
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> SnapshotRecord:
        """Parse the JSON form.

        Raises:
            MalformedError: a field is missing or has another type.
        """
        try:
            return cls(
                str(line["stream"]),
                int(line["step"]),
                str(line["objects"]),
                int(line["size"]),
                int(line["stored"]),
                int(line["seen_ns"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError(f"not a snapshot record: {error!r}") from error


class Chain:
    """Numbers and links the lines of one stream."""

    def __init__(self) -> None:
        self.seq = 0
        self.head = CHAIN_START

    def line(self, body: Mapping[str, Json]) -> bytes:
        """Return the canonical bytes of `body` with its ``seq`` and ``prev``, and advance."""
        data = encode({**body, "seq": self.seq, "prev": self.head})
        self.head = hashlib.sha256(data).hexdigest()
        self.seq += 1
        return data


class ChainReader:
    """Checks that the lines of each stream follow one another."""

    def __init__(self) -> None:
        self._next: dict[str, tuple[int, str]] = {}

    def accept(self, data: bytes) -> tuple[dict[str, Json], int]:
        """Parse one line and return it with how many lines of its stream are missing before it.

        Raises:
            MalformedError: not a line, or it contradicts the line before it.
        """
        line = decode_object(data)
        stream, seq, prev = line.get("stream"), line.get("seq"), line.get("prev")
        if not isinstance(stream, str) or not isinstance(seq, int) or not isinstance(prev, str):
            raise MalformedError("run-log line without stream, seq or prev")
        if not STREAM_NAME.fullmatch(stream):
            raise MalformedError(f"{stream[:40]!r} is not the name of a stream")
        expected, head = self._next.get(stream, (0, CHAIN_START))
        if seq < expected:
            raise MalformedError(f"stream {stream}: line {seq} came again or out of order")
        if seq == expected and prev != head:
            raise MalformedError(f"stream {stream}: line {seq} does not follow the line before it")
        self._next[stream] = (seq + 1, hashlib.sha256(data).hexdigest())
        return line, seq - expected


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
