"""The code of a run: ordinary work is a note, what hides or what others can write is a warning."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from coderepo import CodeRepository, git
from veristep.core.verdicts import Finding, Severity
from veristep.supervise import describe
from veristep.supervise.repository import state


def rules(found: list[Finding]) -> list[tuple[str, Severity]]:
    return [(each.rule, each.severity) for each in found]


def test_a_committed_repository_gives_nothing(code: CodeRepository) -> None:
    assert code.run() == []
    coverage = code.check.coverage()
    assert coverage["tracked files"].checked == coverage["tracked files"].total == 5
    assert coverage["modules"].checked == 3


def test_ones_own_uncommitted_work_is_a_note_and_never_an_alarm(code: CodeRepository) -> None:
    (code.repo / "model.py").write_text("SCALE = 2.0\n")
    (code.repo / "new.py").write_text("x = 1\n")
    git(code.repo, "add", "model.py")
    found = code.run([code.repo / "new.py"])
    assert {severity for _, severity in rules(found)} == {Severity.INFO}
    by = {each.rule: each for each in found}
    assert set(by) == {"CODE001", "CODE002"}
    assert by["CODE002"].evidence["diff"] == ["edited: model.py", "untracked: new.py"]
    assert by["CODE001"].evidence["diff"] == ["changed: model.py", "new: new.py"]


def test_commits_since_the_last_run_are_named_with_author_and_signature(code: CodeRepository) -> None:
    (code.repo / "model.py").write_text("SCALE = 2.0\n")
    git(code.repo, "commit", "-qam", "scale")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(code.folder / "k")], check=True
    )
    (code.repo / "model.py").write_text("SCALE = 3.0\n")
    signing = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={code.folder / 'k'}"]
    git(code.repo, *signing, "commit", "-S", "-qam", "signed")
    found = code.run()
    commits = next(each for each in found if "commits since" in each.summary)
    assert "2 commits since the last run, before by ann <ann@example.org>: 1 unsigned" in commits.summary
    diff = commits.evidence["diff"]
    assert isinstance(diff, list)
    assert diff[0].endswith("(signed): signed")
    assert diff[1].endswith("(unsigned): scale")


def test_the_last_verified_run_is_preferred_to_later_ones(code: CodeRepository) -> None:
    code.opened("good", "verified")
    (code.repo / "model.py").write_text("SCALE = 2.0\n")
    code.opened("worse", "violated")
    found = code.run()
    assert "the last verified run, good" in found[0].summary


def test_line_ends_large_file_pointers_and_sparse_checkouts_are_no_edits(code: CodeRepository) -> None:
    repo = code.repo
    (repo / ".gitattributes").write_text("*.txt text eol=crlf\n*.bin filter=lfs\n")
    (repo / "a.txt").write_bytes(b"one\ntwo\n")
    data = b"weights"
    import hashlib

    digest = hashlib.sha256(data).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(data)}\n"
    (repo / "w.bin").write_text(pointer)
    (repo / "left-out.py").write_text("x = 1\n")
    git(repo, "-c", "filter.lfs.clean=cat", "add", ".")
    git(repo, "commit", "-qm", "files")
    git(repo, "update-index", "--skip-worktree", "left-out.py")
    (repo / "left-out.py").unlink()
    (repo / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (repo / "w.bin").write_bytes(data)
    looked = state.look(repo)
    assert looked is not None
    assert looked.edits == ()
    (repo / "w.bin").write_bytes(b"other")
    looked = state.look(repo)
    assert looked is not None
    assert [each.path for each in looked.edits] == ["w.bin"]


def test_a_filter_of_the_users_own_is_a_note(code: CodeRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    home = code.folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text('[filter "strip"]\n\tclean = sed s/2.0/1.0/\n')
    monkeypatch.setenv("HOME", str(home))
    (code.repo / ".git" / "info" / "attributes").write_text("model.py filter=strip\n")
    (code.repo / "model.py").write_text("SCALE = 2.0\n")
    found = [each for each in code.run() if each.rule == "CODE003"]
    assert rules(found) == [("CODE003", Severity.INFO)]


def test_nothing_that_the_repository_configures_is_executed(code: CodeRepository) -> None:
    mark = code.folder / "executed"
    evil = f"touch {mark}; false"
    script = code.folder / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {mark}\n")
    script.chmod(0o755)
    settings = {
        "core.fsmonitor": str(script), "core.pager": evil, "gpg.program": str(script),
        "gpg.ssh.program": str(script), "diff.external": str(script), "filter.f.clean": evil,
        "filter.f.process": str(script), "diff.d.textconv": str(script), "core.sshCommand": str(script),
        "core.hooksPath": str(code.folder), "log.showSignature": "true", "pager.log": evil,
        "core.editor": evil, "credential.helper": evil, "alias.ls-tree": f"!{evil}",
    }  # fmt: skip
    for name, value in settings.items():
        git(code.repo, "config", name, value)
    (code.repo / ".git" / "info" / "attributes").write_text("*.py filter=f diff=d\n")
    (code.repo / "model.py").write_text("SCALE = 2.0\n")
    mark.unlink(missing_ok=True)
    found = code.run()
    assert "CODE003" in {each.rule for each in found}
    repository = describe.repository(code.repo)
    assert repository is not None
    assert b"+SCALE = 2.0" in repository.diff
    assert not mark.exists()


def test_another_users_file_is_a_warning_and_a_colleagues_checkout_a_note(code: CodeRepository) -> None:
    if os.getuid():
        pytest.skip("only root can give files away")
    os.chown(code.repo / "model.py", 12345, 12345)
    found = code.run()
    assert rules(found) == [("CODE005", Severity.WARNING)]
    assert "uid 12345" in found[0].summary


def test_code_elsewhere_in_a_repository_is_no_matter(code: CodeRepository) -> None:
    assert code.run([code.folder / "library" / "loss.py"]) == []


def test_a_folder_without_a_repository_says_what_is_not_checked(code: CodeRepository) -> None:
    import shutil

    shutil.rmtree(code.repo / ".git")
    found = code.run()
    assert {severity for _, severity in rules(found)} <= {Severity.INFO}
    assert code.check.coverage()["repositories"].checked == 0


def test_names_with_odd_bytes_are_compared(code: CodeRepository) -> None:
    name = os.fsdecode(b"caf\xe9 \n.py")
    (code.repo / name).write_text("x = 1\n")
    git(code.repo, "add", ".")
    git(code.repo, "commit", "-qm", "odd")
    (code.repo / name).write_text("x = 2\n")
    looked = state.look(code.repo)
    assert looked is not None
    assert [each.path for each in looked.edits] == [name]
    assert Path(looked.root) == code.repo


def test_a_repository_that_names_another_working_tree_does_not_choose_what_is_recorded(
    code: CodeRepository,
) -> None:
    copy = code.folder / "clean"
    copy.mkdir()
    git(code.repo, "config", "core.worktree", str(copy))
    assert describe.repository(code.repo) is None
    looked = state.look(code.repo)
    assert looked is not None
    assert looked.root == str(code.repo)
