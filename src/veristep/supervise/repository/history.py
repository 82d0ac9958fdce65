"""What changed since the last run of a project that an audit verified, or else since its last run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from veristep.core.verdicts import Finding
from veristep.errors import VeristepError
from veristep.guard.code import history
from veristep.guard.code.history import Commit
from veristep.ledger.entries import Entry
from veristep.ledger.log import Ledger
from veristep.supervise.code import Code
from veristep.supervise.repository import git

MAX_COMMITS = 50
_CODE = frozenset(
    {
        ".py", ".pyx", ".pxd", ".pyi", ".ipynb", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".rs",
        ".go", ".sh", ".bash", ".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".conf", ".gin",
        ".jinja", ".j2", ".txt", ".md", ".lock", ".sbatch", ".slurm", ".pth", ".so",
    }
)  # fmt: skip
_FORMAT = "%H%x1f%an <%ae>%x1f%cn <%ce>%x1f%s%x1e"


@dataclass(frozen=True, slots=True)
class Before:
    """A run to compare with.

    Attributes:
        run: its id.
        words: what it is called in a finding.
        commit: what was checked out; empty when it had no repository.
        files: the code, by path below its root; empty when it is not at hand.
    """

    run: str
    words: str
    commit: str
    files: Mapping[str, str]


def last(ledger: Ledger, run: str) -> tuple[Before | None, Mapping[str, str]]:
    """Return the run to compare with, and the code of this one.

    It is of the same project and had its code at the same place; one that an audit verified wins over later
    ones.
    """
    verified = {
        entry.run for entry in ledger.entries(kind="audit.done") if entry.body.get("verdict") == "verified"
    }
    opened = list(ledger.entries(kind="run.opened"))
    own = next((entry for entry in opened if entry.run == run), None)
    if own is None:
        return None, {}
    root, files = _code(ledger, own)
    for wanted in (verified, None):
        for entry in reversed(opened):
            if entry.index >= own.index or entry.project != own.project:
                continue
            if wanted is not None and entry.run not in wanted:
                continue
            its_root, its_files = _code(ledger, entry)
            if its_root == root:
                kind = "the last verified run" if wanted is not None else "the last run"
                return Before(entry.run, f"{kind}, {entry.run}", _commit(entry), its_files), files
    return None, files


def changes(root: Path, before: Before, now: Mapping[str, str]) -> list[Finding]:
    """Return what happened to the code since."""
    found = _commits(root, before) if before.commit else []
    paths = sorted(path for path in {*now, *before.files} if is_code(path))
    both = [
        f"changed: {path}"
        for path in paths
        if path in now and before.files.get(path) not in (None, now[path])
    ]
    added = [f"new: {path}" for path in paths if path not in before.files]
    gone = [f"gone: {path}" for path in paths if path not in now]
    if before.files and (both or added or gone):
        found.append(history.files(str(root), before.words, [*both, *added, *gone]))
    return found


def is_code(path: str) -> bool:
    """Whether a file is code or configuration by its name, and no result of a run."""
    return PurePosixPath(path).suffix.lower() in _CODE or "." not in PurePosixPath(path).name


def _commits(root: Path, before: Before) -> list[Finding]:
    head = git.text(git.run(root, "rev-parse", "--verify", "-q", "HEAD"))
    if head == before.commit or not head:
        return []
    if git.run(root, "merge-base", "--is-ancestor", before.commit, head) is None:
        return [history.rewritten(str(root), before.words, before.commit)]
    said = git.run(root, "log", f"--format={_FORMAT}", f"-n{MAX_COMMITS + 1}", f"{before.commit}..{head}")
    records = [each.strip("\n").split("\x1f") for each in git.text(said).split("\x1e")]
    whole = [parts for parts in records if len(parts) == 4]
    signed = _signed(root, [parts[0] for parts in whole])
    found = [Commit(one, by, given, one in signed, about) for one, by, given, about in whole]
    more = len(found) > MAX_COMMITS
    return [history.commits(str(root), before.words, found[:MAX_COMMITS], more=more)] if found else []


def _signed(root: Path, commits: list[str]) -> set[str]:
    """Return the commits that carry a signature, without running anything that would check it."""
    return {
        each
        for each in commits
        if b"\ngpgsig" in (git.run(root, "cat-file", "commit", each) or b"").partition(b"\n\n")[0]
    }


def _commit(entry: Entry) -> str:
    repository = entry.body.get("repository")
    commit = repository.get("commit") if isinstance(repository, Mapping) else None
    # It becomes an argument of git: only what can be nothing else is taken.
    return commit if isinstance(commit, str) and commit.isalnum() else ""


def _code(ledger: Ledger, entry: Entry) -> tuple[str, Mapping[str, str]]:
    objects = entry.body.get("objects")
    name = objects.get("code") if isinstance(objects, Mapping) else None
    try:
        kept = Code.from_bytes(ledger.objects.read(str(name)))
    except VeristepError:
        return "", {}
    files = {file.path: file.object or f"{file.size} bytes {file.target}" for file in kept.files}
    return kept.root, files
