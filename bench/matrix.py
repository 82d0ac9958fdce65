"""Every kind of script, honest and sabotaged in six ways: is the honest one verified, each sabotage named?

Each cell trains a script under `veristep run`, audits it, and compares what the audit says with what was
done. An honest run is audited whole, a sabotaged one in the intervals around the act, with the defaults of
an audit; --whole and --from-start audit every run in that way. A sabotage acts at one per cent of the
updates (at least one), drawn at random behind the first interval. Prints a Markdown table; the exit status
is 1 when a sabotage was missed or named wrong, or an honest run was not verified.

Replays run in the run's own environment. --clean-room has them run in one that is built from the registry,
once, in a ledger that all cells share; then one cell runs at a time.

    python bench/matrix.py [--script NAME ...] [--cell NAME ...] [--jobs N] [--clean-room] [--json FILE]
    python bench/matrix.py --table FILE      # the table of cells collected with --json, the latest of each
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from lab import Lab, python, torchrun
from veristep.drill.catalogue import REHEARSALS, Rehearsal

INTERVAL = 8
SHARE = 0.01
HONEST = "honest"


@dataclass(frozen=True)
class Subject:
    """A training script of the tests.

    Attributes:
        script: its name.
        steps: what it is told to train.
        updates: optimizer updates that makes, at least.
        ranks: processes it trains in.
        words: further arguments.
    """

    script: str
    steps: int = 24
    updates: int = 24
    ranks: int = 1
    words: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its row is called."""
        name = " ".join([self.script, *self.words[1::2]])
        return name if self.ranks == 1 else f"{name}, {self.ranks} ranks"

    def command(self) -> list[str]:
        """Return its command line."""
        words = (f"{self.script}.py", "--steps", str(self.steps), *self.words)
        return python(*words) if self.ranks == 1 else torchrun(*words, ranks=self.ranks)


SUBJECTS = (
    Subject("classifier_loader"),
    Subject("augmented_workers"),
    Subject("gpt_memmap"),
    Subject("gan", steps=12),  # two updates an iteration
    Subject("amp_clip", steps=30, updates=20),  # some updates are skipped
    Subject("resumes"),
    Subject("optimizers", words=("--optimizer", "sgd")),
    Subject("optimizers", words=("--optimizer", "lbfgs")),
    Subject("compiled"),
    Subject("unusual", steps=12),  # two updates an iteration
    Subject("functional_loss"),
    Subject("prefetch_loader"),
    Subject("whole_model"),
    Subject("hf_trainer"),
    Subject("lightning_run"),
    Subject("ddp", ranks=2),
    Subject("hf_trainer", ranks=2),
    Subject("lightning_run", ranks=2),
)


@dataclass(frozen=True)
class Cell:
    """What came of one training and its audit.

    Attributes:
        subject: name of the training.
        kind: `HONEST`, or the name of a rehearsal.
        right: whether the audit said what was to be said.
        says: that, in a few words.
        acted: the steps the implant acted at.
        seconds: wall time of training and audit.
        environment: what the replays ran in, as the audit calls it; empty when none ran.
    """

    subject: str
    kind: str
    right: bool
    says: str
    acted: tuple[int, ...] = ()
    seconds: float = 0.0
    environment: str = ""


@dataclass(frozen=True)
class How:
    """How the cells of one call are run.

    Attributes:
        room: folder for the cells' own folders, and for what they share.
        options: of every audit; without any, each cell has its own.
        clean: whether replays run in an environment built from the registry.
    """

    room: Path
    options: tuple[str, ...] = ()
    clean: bool = False

    def lab(self, folder: Path) -> Lab:
        """Return a laboratory for one cell."""
        lab = Lab(folder)
        if self.clean:
            del lab.environment["VERISTEP_IN_PLACE"]
            # Where the registry is, is the user's own configuration of pip. A ledger keeps what it built.
            own = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
            shared = {
                "VERISTEP_LEDGER": str(self.room / "ledger"),
                "XDG_CACHE_HOME": str(self.room / "cache"),
                "XDG_STATE_HOME": str(self.room / "state"),
            }
            lab.environment |= {"HOME": os.environ["HOME"], **own, **shared}
        return lab


def main() -> int:
    """Run the chosen cells, print the table, and say whether all is as it should be."""
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = [HONEST, *(each.name for each in REHEARSALS)]
    words.add_argument("--script", action="append", choices=sorted({each.script for each in SUBJECTS}))
    words.add_argument("--cell", action="append", choices=kinds)
    words.add_argument("--ranks", type=int, help="only trainings of so many processes")
    words.add_argument("--jobs", type=int, default=2)
    words.add_argument(
        "--whole", action="store_true", help="audit all of a sabotaged run, not around the act"
    )
    words.add_argument("--from-start", action="store_true", help="audit by executing from the start")
    words.add_argument("--clean-room", action="store_true", help="replay in a rebuilt environment")
    words.add_argument("--room", type=Path, help="folder to work in and to leave, in place of a new one")
    words.add_argument("--json", type=Path, help="file to add the cells to, as JSON lines")
    words.add_argument("--table", type=Path, help="print the table of such a file and run nothing")
    chosen = words.parse_args()
    if chosen.table:
        return _report(_read(chosen.table))
    subjects = [
        each
        for each in SUBJECTS
        if not chosen.script or each.script in chosen.script
        if chosen.ranks in (None, each.ranks)
    ]
    rehearsals: list[Rehearsal | None] = [None, *REHEARSALS]
    pairs = [
        (subject, rehearsal)
        for subject in subjects
        for rehearsal in rehearsals
        if not chosen.cell or (rehearsal.name if rehearsal else HONEST) in chosen.cell
        if rehearsal is None or rehearsal.ranks <= subject.ranks
    ]
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory(prefix="veristep-matrix-") as folder:
        how = How(chosen.room or Path(folder), _options(chosen), clean=chosen.clean_room)
        with ThreadPoolExecutor(1 if chosen.clean_room else chosen.jobs) as pool:
            jobs = [
                pool.submit(_cell, Path(folder) / str(number), *pair, how)
                for number, pair in enumerate(pairs)
            ]
            for job in jobs:
                cell = job.result()
                cells.append(cell)
                print(f"{cell.subject}: {cell.kind}: {cell.says} ({cell.seconds:.0f} s)", file=sys.stderr)
                if chosen.json:
                    with chosen.json.open("a", encoding="utf-8") as lines:
                        lines.write(json.dumps(asdict(cell)) + "\n")
    return _report(cells)


def _options(chosen: argparse.Namespace) -> tuple[str, ...]:
    """Return the options of every audit; none lets a cell choose."""
    if chosen.from_start:
        return ("--from-start",)
    return ("--all",) if chosen.whole else ()


def _read(path: Path) -> list[Cell]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    cells = [Cell(**{**line, "acted": tuple(line["acted"])}) for line in lines]
    return list({(cell.subject, cell.kind): cell for cell in cells}.values())


def _report(cells: list[Cell]) -> int:
    print(table(cells))
    right = sum(cell.right for cell in cells)
    print(f"\n{right} of {len(cells)} cells are as they should be.")
    return 0 if right == len(cells) else 1


def table(cells: Iterable[Cell]) -> str:
    """Return the cells as a Markdown table: a row per training, a column per sabotage."""
    cells = list(cells)
    kinds = [
        kind for kind in [HONEST, *(each.name for each in REHEARSALS)] if any(c.kind == kind for c in cells)
    ]
    by_place = {(cell.subject, cell.kind): cell for cell in cells}
    rows = [["training", *kinds], ["---"] * (len(kinds) + 1)]
    known = {cell.subject for cell in cells}
    for subject in [each.name for each in SUBJECTS if each.name in known]:
        found = [by_place.get((subject, kind)) for kind in kinds]
        rows.append([subject, *("" if cell is None else cell.says for cell in found)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(folder: Path, subject: Subject, rehearsal: Rehearsal | None, how: How) -> Cell:
    began = time.monotonic()
    kind = HONEST if rehearsal is None else rehearsal.name
    acted = _steps(subject) if rehearsal else ()
    rank = subject.ranks - 1 if rehearsal is not None and rehearsal.ranks > 1 else None
    environment = ""
    try:
        verdict = _try(folder, subject, rehearsal, acted, rank, how)
        environment = str(verdict["room"].get("environment") or "")
        right, says = _honest(verdict) if rehearsal is None else _named(verdict, rehearsal, acted, rank)
    except Exception as error:  # noqa: BLE001 - one broken cell must not hide the others
        right, says = False, f"FAILED: {str(error).strip().splitlines()[-1][:120]}"
    return Cell(subject.name, kind, right, says, acted, time.monotonic() - began, environment)


def _try(
    folder: Path,
    subject: Subject,
    rehearsal: Rehearsal | None,
    acted: tuple[int, ...],
    rank: int | None,
    how: How,
) -> Mapping[str, Any]:
    """Train and audit; return the verdict."""
    lab = how.lab(folder)
    lab.script(subject.script)
    extra = {}
    if rehearsal is not None:
        options = {} if rank is None else {"rank": rank}
        implant = rehearsal.plant(folder / "implant", steps=acted, **options)
        extra = {"PYTHONPATH": str(implant.parent)}
    run = lab.record(subject.command(), interval=INTERVAL, extra=extra)
    around = f"--steps={acted[0] - 1}:{acted[-1] + 2}" if acted else "--all"
    return lab.audit(run, *(how.options or (around,)), status=None, cheap=False)


def _steps(subject: Subject) -> tuple[int, ...]:
    """Draw where to act: behind the first interval, and early enough for a nudge to show."""
    late = range(INTERVAL, subject.updates - 2)
    count = max(1, round(SHARE * subject.updates))
    return tuple(sorted(random.SystemRandom().sample(late, count)))


def _honest(verdict: Mapping[str, Any]) -> tuple[bool, str]:
    if verdict["findings"]:
        return False, "FALSE ALARM: " + _short(verdict["findings"][0])
    coverage = verdict["coverage"]
    if verdict["verdict"] != "verified" or coverage["steps_checked"] < coverage["steps"]:
        return False, f"{verdict['verdict'].upper()}: {verdict['reason'][:120]}"
    return True, ", ".join(["verified", verdict["reason"]]) if verdict["reason"] else "verified"


def _named(
    verdict: Mapping[str, Any], rehearsal: Rehearsal, acted: tuple[int, ...], rank: int | None
) -> tuple[bool, str]:
    findings = verdict["findings"]
    if not findings:
        said = ", ".join(each for each in (verdict["verdict"], verdict["reason"][:120]) if each)
        return False, f"MISSED: {said}"
    wrong = [
        finding
        for finding in findings
        if not any(rehearsal.named_right(finding, step, rank) for step in acted)
    ]
    if wrong:
        return False, f"WRONG (acted at {', '.join(map(str, acted))}): {_short(wrong[0])}"
    unnamed = [
        step for step in acted if not any(rehearsal.named_right(each, step, rank) for each in findings)
    ]
    if unnamed:
        return False, f"MISSED: step {unnamed[0]}"
    return True, _short(findings[0])


def _short(finding: Mapping[str, Any]) -> str:
    tensors = finding["evidence"].get("tensors") or []
    where = f" `{tensors[0]}`" if tensors else ""
    rank = f" rank {finding['rank']}" if finding["rank"] else ""
    return f"step {finding['step']}{rank}: {finding['evidence']['what']}{where}"


if __name__ == "__main__":
    sys.exit(main())
