"""What whoever audits demands of a run's code before it is replayed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from veristep.errors import UnavailableError

GIT_TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """Demands on the code.

    Attributes:
        clean: it is a commit, without uncommitted changes.
        signers: the commit is signed by one of the keys in this file (the format of
            ``ssh-keygen -Y``'s ``allowed_signers``); None when it need not be.
    """

    clean: bool = False
    signers: Path | None = None

    def check(self, repository: Mapping[str, Any]) -> None:
        """Refuse code that does not meet the demands.

        Args:
            repository: the run's, as its first entry describes it.

        Raises:
            UnavailableError: it does not, or that cannot be seen here.
        """
        if not self.clean and self.signers is None:
            return
        commit = str(repository.get("commit") or "")
        if not commit:
            raise UnavailableError(
                "the run's code is not in a commit, and the policy demands one",
                hint="train from a git repository; or audit without --require-clean-commit and "
                "--require-signed-commit",
            )
        if repository.get("changed"):
            raise UnavailableError(
                f"the run's code differs from its commit {commit[:12]}, and the policy demands a clean one",
                hint="veristep show names the run's commit; its uncommitted changes are kept beside it",
            )
        if self.signers is not None:
            _check_signature(str(repository.get("root") or ""), commit, self.signers)

    def words(self, repository: Mapping[str, Any], kept: int, listed: int) -> str:
        """Return where the code came from and what was demanded of it, in words."""
        commit = str(repository.get("commit") or "")
        origin = f"commit {commit[:12]}" if commit else "no commit"
        if repository.get("changed"):
            origin += " with uncommitted changes"
        demanded = ", signed as demanded" if self.signers else ", clean as demanded" if self.clean else ""
        large = f", {listed - kept} larger ones as data" if listed > kept else ""
        return f"{origin}{demanded}; {kept} files from the ledger{large}"


def _check_signature(root: str, commit: str, signers: Path) -> None:
    """Have git verify a commit against a file of allowed signers, whatever its own configuration says."""
    command = [
        "git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
        "-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen",
        "-c", f"gpg.ssh.allowedSignersFile={signers.resolve()}",
        "verify-commit", "--raw", commit,
    ]  # fmt: skip
    hint = f"the keys allowed to sign are those in {signers}"
    if not signers.is_file():
        raise UnavailableError(
            f"there is no file of allowed signers at {signers}", hint="see ssh-keygen(1)"
        )
    try:
        done = subprocess.run(
            command,
            cwd=root,
            capture_output=True,
            timeout=GIT_TIMEOUT_SECONDS,
            check=False,
            text=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"the signature of commit {commit[:12]} could not be looked at: {error}"
        raise UnavailableError(reason, hint=hint) from error
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it has no signature"])[-1]
        raise UnavailableError(
            f"commit {commit[:12]} is not signed by a key that is allowed to: {said}", hint=hint
        )
