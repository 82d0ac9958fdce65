"""The per-run configuration a training process finds beside its boot file.

It lies in a file, not in environment variables, so that only ``PYTHONPATH`` has to survive the
launchers between the supervisor and the ranks.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

CONFIG_NAME = "run.json"
SOCKET_NAME = "socket"


@dataclass(frozen=True, slots=True)
class RecordConfig:
    """What the in-process part needs to know.

    Attributes:
        run: the run's id.
        boot: the run's private boot directory, which also holds the socket.
        directory: the run's directory in the ledger, for tape and spool.
        objects: the ledger's object store.
        package: the folder that holds the veristep package.
        sink: ``module:function`` that builds what is done at each step.
        interval: steps between snapshots; 0 lets the measured cost decide.
        digests: ``full`` digests every unit at every step, ``auto`` what fits the budget.
        share: fraction of step time that digests may cost.
        snapshot_share: fraction of training time that snapshots may cost.
        tape_limit: bytes of batches kept per step; a larger batch is digested only.
        tape_total: bytes of batches kept per process and run; later ones are digested only.
        exit_seconds: how long the exit of a training process may wait for records to be written.
        root: folder of the code that is recorded, and the working directory's place in it.
        watch: folders in which written files are taken as artifacts.
        extra: what another sink than the recorder needs, as JSON text.
        steps: ``module:function`` that builds what looks at updates beside the recorder; empty for nothing.
    """

    run: str
    boot: str
    directory: str
    objects: str
    package: str
    sink: str = "veristep.record.recorder_torch:build"
    interval: int = 0
    digests: str = "auto"
    share: float = 0.004
    snapshot_share: float = 0.003
    tape_limit: int = 64 << 20
    tape_total: int = 20 << 30
    exit_seconds: float = 20.0
    root: str = ""
    watch: tuple[str, ...] = ()
    extra: str = ""
    steps: str = ""

    def save(self) -> None:
        """Write the configuration into the boot directory."""
        path = Path(self.boot) / CONFIG_NAME
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, boot: str) -> RecordConfig:
        """Read the configuration from a boot directory."""
        fields = json.loads((Path(boot) / CONFIG_NAME).read_text(encoding="utf-8"))
        fields["watch"] = tuple(fields["watch"])
        return cls(**fields)
