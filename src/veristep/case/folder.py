"""A folder of checkpoints, held against the record: every recorded file in it, and every other one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from veristep.case.origin import may_be_unread, read_file
from veristep.case.overview import overview
from veristep.core.checks import CheckResult, Tally, judge
from veristep.core.verdicts import Finding
from veristep.errors import NotFoundError, UnavailableError
from veristep.guard.file import gone, shard
from veristep.guard.policy import Policy
from veristep.ledger.log import Ledger
from veristep.supervise.artifacts import judging, known, shards
from veristep.supervise.artifacts.approvals import Protection
from veristep.supervise.artifacts.judging import FileNow
from veristep.supervise.artifacts.known import Known, Written

UNKNOWN = "no recorded run wrote a file of this content or at this path"
UNREAD = "a run that did not end in good order may have written it last"


def check(ledger: Ledger, folder: Path, policy: Policy, now_ns: int) -> CheckResult:
    """Say of each file in a folder, and of each that should be there, whether it is what was recorded.

    Raises:
        NotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {folder}", hint="check its spelling")
    return _Folder(ledger, folder.absolute(), policy, now_ns).result()


class _Folder:
    def __init__(self, ledger: Ledger, folder: Path, policy: Policy, now_ns: int) -> None:
        self._ledger = ledger
        self._folder = folder
        self._now_ns = now_ns
        self._known: Known = known.read(ledger)
        self._protection = Protection(policy.protect, ledger)
        self._contents: dict[str, str] = {}
        self._counted: Counter[str] = Counter()
        self._findings: list[Finding] = []

    def result(self) -> CheckResult:
        paths = sorted(_files(self._folder))
        for path in paths:
            self._look_at(path)
        for path in paths:
            if shards.is_index(path):
                self._findings += shards.check(Path(path), self._known, self._contents)
        self._look_for_gone(set(paths))
        why = {reason: count for reason, count in self._counted.items() if reason}
        tally = Tally(self._counted.total(), self._counted[""], why)
        return judge({"files": tally}, self._findings)

    def _look_at(self, path: str) -> None:
        try:
            file = read_file(Path(path))
        except (NotFoundError, UnavailableError) as error:
            self._counted[f"cannot be read: {error}"] += 1
            return
        self._contents[path] = file.sha256
        now = FileNow(path, file.also_known_as, file.size, file.sha256, file.mtime_ns)
        judged = judging.judge(self._ledger, self._known, now)
        if self._protection.covers(path, file.also_known_as):
            unsigned = self._protection.judge(self._known, (path, file.also_known_as), file.sha256)
            self._findings += [unsigned] if unsigned is not None else []
        if judged.finding is not None and judged.last is not None and not judged.same:
            run = overview(self._ledger, judged.last.run, self._now_ns)
            if may_be_unread(run, file.mtime_ns):
                self._counted[UNREAD] += 1
                return
        if judged.finding is not None:
            self._findings.append(judged.finding)
        self._counted["" if judged.last or judged.same else UNKNOWN] += 1

    def _look_for_gone(self, there: set[str]) -> None:
        real = str(self._folder.resolve())
        recorded = {
            each.path: each for place in {str(self._folder), real} for each in self._known.below(place)
        }
        missing = [
            each
            for each in recorded.values()
            if not os.path.lexists(each.path) and self._known.removal(each) is None
        ]
        told = {finding.evidence.get("path") for finding in self._findings}
        for each in missing:
            self._counted[""] += 1
            if each.path not in told:
                self._findings.append(self._gone(each, there))

    def _gone(self, written: Written, there: set[str]) -> Finding:
        folder = os.path.dirname(written.path)  # noqa: PTH120
        siblings = [path for path in there if os.path.dirname(path) == folder and shards.is_shard(path)]  # noqa: PTH120
        if shards.is_shard(written.path) and siblings:
            return shard.missing(siblings[0], [os.path.basename(written.path)])  # noqa: PTH119
        copies = [path for path, sha256 in self._contents.items() if sha256 == written.sha256]
        return gone.finding(written.path, written.words, copies[0] if copies else "")


def _files(folder: Path) -> Iterator[str]:
    for place, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)  # noqa: PTH118
            if os.path.isfile(path):  # noqa: PTH113
                yield path
