"""A policy on the code refuses what does not meet it, and says why."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from veristep.errors import UnavailableError
from veristep.replay.room.code_policy import CodePolicy


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def committed(folder: Path, *options: str) -> dict[str, object]:
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q")
    (folder / "train.py").write_text("print()\n", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, *options[:0], "commit", "-q", "-m", "one", *options)
    return {"root": str(folder), "commit": git(folder, "rev-parse", "HEAD"), "changed": False}


def test_uncommitted_code_is_refused_where_a_clean_commit_is_demanded(tmp_path: Path) -> None:
    repository = committed(tmp_path / "code")
    CodePolicy(clean=True).check(repository)
    with pytest.raises(UnavailableError, match="differs from its commit"):
        CodePolicy(clean=True).check({**repository, "changed": True})
    with pytest.raises(UnavailableError, match="not in a commit"):
        CodePolicy(clean=True).check({})
    CodePolicy().check({})


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="git signs with ssh-keygen")
def test_only_a_commit_signed_by_an_allowed_key_passes_where_one_is_demanded(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)]
        subprocess.run(words, check=True)
    public = (tmp_path / "ours.pub").read_text(encoding="utf-8")
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"a@example.org {public}", encoding="utf-8")

    def signed(name: str, key: str) -> dict[str, object]:
        folder = tmp_path / name
        folder.mkdir()
        git(folder, "init", "-q")
        git(folder, "config", "gpg.format", "ssh")
        git(folder, "config", "user.signingkey", str(tmp_path / key))
        return committed(folder, "-S")

    CodePolicy(clean=True, signers=signers).check(signed("good", "ours"))
    with pytest.raises(UnavailableError, match="not signed by a key that is allowed"):
        CodePolicy(clean=True, signers=signers).check(signed("foreign", "theirs"))
    with pytest.raises(UnavailableError, match="not signed"):
        CodePolicy(clean=True, signers=signers).check(committed(tmp_path / "plain"))
    with pytest.raises(UnavailableError, match="no file of allowed signers"):
        CodePolicy(signers=tmp_path / "none").check({"commit": "0" * 40, "root": str(tmp_path)})
