"""What a replaying process is told, and what it answers: plain files in the replay's own folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from veristep.core.canonical import Json
from veristep.ledger.snapshots import FOLDER

MATCHED, DIFFERED, ENDED, FAILED, REFUSED = "matched", "differed", "ended", "failed", "refused"
# An interval is fed and compared; a run from its start is fed nothing and compared; a run from its start
# that is only to show what the script makes by itself is fed after that was compared, and nothing else is;
# an interval that is to be observed is fed, and what it computes is told.
INTERVAL, FROM_START, CONDITIONS, OBSERVE = "interval", "from-start", "conditions", "observe"
# A replay that did not compare but told what it computed.
OBSERVED = "observed"
# What a conditioned replay takes as recorded, as coverage names it.
HYPERPARAMETERS, BATCHES, RANDOM_STATES = "hyperparameters", "batches", "random states"
CHECKED = "checked"
OWN_OUTCOME = "the script by itself makes another"
# Details of differences that an interval shows by itself: most of its steps agree with these sources.
OFF_SCHEDULE = "its own scheduler does not set this value from the snapshot on"
OFF_ORDER = "its own sampler, at this place of the epoch, gives another batch"
# Per condition, how many steps had which outcome: `CHECKED`, or why not, in words.
Conditions = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """What one process (one rank) is to replay.

    Attributes:
        warm: the record of step `Order.warmup` of the run: the same script takes that step now at the
            place where the interval's first step is to be put.
        records: the step records from a little before the start to the stop, as JSON.
        tensors: descriptions of what stands behind the digests, each with the step it holds from.
        snapshot: object name of the state at the start; empty when the script starts by itself.
        end_snapshot: object name of the state at the stop; empty when there is none.
        snapshots: object names of all states in between, by step; used from the start only.
        epochs: where loaders began an epoch, as recorded.
    """

    warm: Mapping[str, Any]
    records: Sequence[Mapping[str, Any]]
    tensors: Sequence[tuple[int, Mapping[str, Any]]]
    snapshot: str
    end_snapshot: str
    snapshots: Mapping[str, str] = field(default_factory=dict)
    epochs: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """One interval to replay, in all its processes.

    Attributes:
        start: first step of the interval.
        stop: the step after its last one.
        warmup: steps the script takes by itself before the state is put in place.
        tape: the run's tape folder.
        results: folder the answers go to, one file per stream.
        streams: what each process is to do.
        writable: folders the script may write to.
        read_only: places in them that it may not write to all the same.
        diagnose: let torch name operations that are not deterministic.
        mode: `INTERVAL`, `FROM_START`, `CONDITIONS` or `OBSERVE`.
        guise: what the replaying processes are made to believe, see `replay.pretend.guise`.
        measure: a step that is known to differ: how far, is measured; -1 for none.
        jitter: seed of changes to the last bit of parameters after each observed step; 0 for none.
    """

    start: int
    stop: int
    warmup: int
    tape: str
    results: str
    streams: Mapping[str, StreamOrder]
    writable: list[str]
    read_only: list[str] = field(default_factory=list)
    diagnose: bool = False
    mode: str = INTERVAL
    guise: Mapping[str, Any] = field(default_factory=dict)
    measure: int = -1
    jitter: int = 0

    @property
    def parts(self) -> Path:
        """The folder of the parts of the run's snapshots."""
        return Path(self.tape).parent / FOLDER

    def save(self, path: Path) -> None:
        """Write the order to a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Order:
        """Read an order from a file."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        streams = {name: StreamOrder(**each) for name, each in fields.pop("streams").items()}
        return cls(streams=streams, **fields)


@dataclass(frozen=True, slots=True)
class Sampled:
    """What one line of a sketch shows of the run and of a replay.

    Attributes:
        step: the step after which it was taken.
        tensor: name of its tensor.
        start: its first byte in the tensor.
        weight: how many lines it stands for.
        later: steps between the update it tells of and the one it was taken after.
        recorded: updates (or values) of the run, one per coordinate.
        replayed: the same of the replay.
        moved: beside values, the update that led to the replay's.
    """

    step: int
    tensor: str
    start: int
    weight: float
    later: int
    recorded: Sequence[float]
    replayed: Sequence[float]
    moved: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a replayed step is not the recorded one.

    Attributes:
        step: the step.
        what: ``entry``, ``rng``, ``batch``, ``hyperparameter``, ``gradient``, ``update`` or ``state``.
        tensors: names of the tensors that differ, in order; the first one first.
        expected: recorded digest.
        got: replayed digest.
        certain_since: the last step before it whose every block was compared and equal, or the start.
        detail: what else is worth saying.
        samples: what is known of the recorded and the replayed update, coordinate by coordinate.
    """

    step: int
    what: str
    tensors: list[str]
    expected: str
    got: str
    certain_since: int
    detail: str = ""
    samples: Sequence[Sampled] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one replaying process found.

    Attributes:
        status: matched, differed, ended (before the stop), failed, or refused (a write).
        steps: steps compared and equal.
        blocks: blocks on record in these steps.
        blocks_checked: those compared.
        reason: for everything but matched.
        difference: for differed.
        own: batches, random states and hyperparameters that the script made otherwise by itself. They do
            not change the status.
        conditions: of how many steps these were compared with the script's own.
        notes: what weakens the comparison without contradicting it.
        platform: differences between this process and the recorded one.
        observed: for observed: what the run and the replay had after each step.
    """

    status: str
    steps: int = 0
    blocks: int = 0
    blocks_checked: int = 0
    reason: str = ""
    difference: Difference | None = None
    own: list[Difference] = field(default_factory=list)
    conditions: Conditions = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    platform: Mapping[str, Json] = field(default_factory=dict)
    observed: Sequence[Sampled] = ()

    def save(self, path: Path) -> None:
        """Write the answer, whole or not at all."""
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Answer:
        """Read an answer."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        difference = fields["difference"]
        fields["difference"] = _difference(difference) if difference else None
        fields["own"] = [_difference(each) for each in fields["own"]]
        fields["observed"] = [Sampled(**each) for each in fields["observed"]]
        return cls(**fields)


def _difference(fields: dict[str, Any]) -> Difference:
    samples = [Sampled(**each) for each in fields.pop("samples")]
    return Difference(**fields, samples=samples)
