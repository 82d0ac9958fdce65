"""Checkpoints on disk and at load: what they are instead of what training wrote, and who signed for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoints import Checkpoints
from veristep.core.canonical import Json
from veristep.core.verdicts import Severity, Verdict
from veristep.errors import TamperedError, VeristepError
from veristep.guard.policy import Protect
from veristep.ledger import keys, sshsig
from veristep.supervise.artifacts import approvals
from veristep.supervise.artifacts.difference import between
from veristep.supervise.artifacts.known import Removed, read
from veristep.supervise.artifacts.members import Members, describe, parse
from veristep.supervise.artifacts.names import storage_names


def found(checkpoints: Checkpoints) -> list[tuple[str, str]]:
    return [(each.rule, Path(str(each.evidence["path"])).name) for each in checkpoints.verify().findings]


def test_untouched_checkpoints_are_verified_on_disk_and_at_load(checkpoints: Checkpoints) -> None:
    result = checkpoints.verify()
    assert result.verdict is Verdict.VERIFIED
    assert result.coverage["files"].total == result.coverage["files"].checked == 8
    index = checkpoints.out / "sharded" / "model.bin.index.json"
    assert checkpoints.load(*checkpoints.out.glob("*.pt"), index) == []


def test_a_resave_with_another_optimizer_state_names_the_tensor(checkpoints: Checkpoints) -> None:
    path = checkpoints.out / "epoch3.pt"
    state = torch.load(path)
    state["optimizer"]["state"][1]["exp_avg"].mul_(-1)
    torch.save(state, path)
    (finding,) = checkpoints.verify().findings
    assert finding.rule == "FILE004"
    assert "optimizer.state.1.exp_avg" in finding.summary
    assert "model." not in str(finding.evidence["detail"])


def test_a_resave_with_other_weights_names_them_and_is_no_optimizers_matter(
    checkpoints: Checkpoints,
) -> None:
    path = checkpoints.out / "epoch3.pt"
    state = torch.load(path)
    state["model"]["1.bias"].add_(1e-3)
    torch.save(state, path)
    (finding,) = checkpoints.load(path)
    assert finding.rule == "FILE001"
    assert "model.1.bias" in str(finding.evidence["detail"])
    assert finding.evidence["writer"] == "r"


def test_a_learning_rate_in_a_checkpoint_shows_in_its_pickle(checkpoints: Checkpoints) -> None:
    path = checkpoints.out / "epoch3.pt"
    state = torch.load(path)
    state["optimizer"]["param_groups"][0]["lr"] = -1.0
    torch.save(state, path)
    (finding,) = checkpoints.verify().findings
    assert (finding.rule, "data.pkl" in str(finding.evidence["detail"])) == ("FILE001", True)


def test_an_older_checkpoint_is_told_from_a_foreign_one(checkpoints: Checkpoints) -> None:
    shutil.copy(checkpoints.out / "epoch1.pt", checkpoints.out / "epoch3.pt")
    torch.save({"weights": torch.zeros(3)}, checkpoints.out / "epoch2.pt")
    assert found(checkpoints) == [("FILE003", "epoch2.pt"), ("FILE002", "epoch3.pt")]


def test_files_the_run_removed_itself_are_not_missed(checkpoints: Checkpoints) -> None:
    known = read(checkpoints.ledger)
    (checkpoints.out / "epoch1.pt").unlink()
    assert found(checkpoints) == [("FILE006", "epoch1.pt")]
    body: dict[str, Json] = {"path": str(checkpoints.out / "epoch1.pt"), "step": 25}
    from veristep.ledger.entries import Draft

    checkpoints.ledger.append(Draft("artifact.removed", body, "r"))
    shutil.rmtree(checkpoints.out / "sharded")
    assert {rule for rule, _ in found(checkpoints)} == {"FILE006"}
    folder: dict[str, Json] = {"path": str(checkpoints.out / "sharded"), "step": 30, "folder": True}
    checkpoints.ledger.append(Draft("artifact.removed", folder, "r"))
    assert found(checkpoints) == []
    written = known.by_path[str(checkpoints.out / "epoch2.pt")][-1]
    known.remove(Removed("other", str(checkpoints.out), 0, folder=True, to=""))
    assert known.removal(written) is not None


def test_a_missing_shard_is_an_error_and_a_missing_checkpoint_a_warning(checkpoints: Checkpoints) -> None:
    (checkpoints.out / "sharded" / "model-00002-of-00002.bin").unlink()
    assert ("FILE005", "model-00002-of-00002.bin") in found(checkpoints)
    index = checkpoints.out / "sharded" / "model.bin.index.json"
    assert [each.rule for each in checkpoints.load(index)] == ["FILE005"]


def test_a_shard_of_an_earlier_step_is_found_among_the_others(checkpoints: Checkpoints) -> None:
    shutil.copy(checkpoints.folder / "old-2", checkpoints.out / "sharded" / "model-00002-of-00002.bin")
    rules = {rule for rule, name in found(checkpoints) if name == "model-00002-of-00002.bin"}
    assert rules == {"FILE002", "FILE005"}


def test_a_file_nobody_recorded_is_counted_as_not_checked(checkpoints: Checkpoints) -> None:
    (checkpoints.out / "notes.txt").write_text("mine")
    result = checkpoints.verify()
    assert (result.verdict, result.findings) == (Verdict.UNVERIFIED, ())


def test_what_this_run_wrote_itself_is_no_finding_when_it_loads_it(checkpoints: Checkpoints) -> None:
    """One rank writes, another loads, before the supervisor has heard of it."""
    path = checkpoints.out / "epoch1.pt"
    torch.save({"a": torch.ones(1)}, path)
    import os

    later = 2 * 10**18
    os.utime(path, ns=(later, later))
    (finding,) = checkpoints.load(path)
    assert finding.severity is Severity.WARNING


# -- the parts of a file ------------------------------------------------------------------------


def test_the_parts_of_a_file_are_read_back_as_they_were_kept(checkpoints: Checkpoints) -> None:
    members = describe(checkpoints.out / "epoch3.pt")
    assert members is not None
    assert parse(members.encode()) == members
    assert not between(members, members).all


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_one_changed_bit_anywhere_in_a_checkpoint_is_found(
    checkpoints: Checkpoints, draw: st.DataObject
) -> None:
    path = checkpoints.out / "epoch3.pt"
    before = path.read_bytes()
    bit = draw.draw(st.integers(0, 8 * len(before) - 1))
    flipped = bytearray(before)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        result = checkpoints.verify()
    finally:
        path.write_bytes(before)
    (finding,) = result.findings
    assert finding.rule in ("FILE001", "FILE003", "FILE004")
    assert finding.evidence["path"] == str(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_end_the_reading_of_names(data: bytes) -> None:
    assert isinstance(storage_names(data), dict)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_end_the_reading_of_parts(tmp_path: Path, data: bytes) -> None:
    for start, name in ((b"PK\3\4", "a.pt"), (b"\x10" + bytes(7), "a.safetensors")):
        path = tmp_path / name
        path.write_bytes(start + data)
        assert describe(path) is None or isinstance(describe(path), Members)


# -- protected files ----------------------------------------------------------------------------


def person(folder: Path, name: str) -> Path:
    path = folder / f"{name}.key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), "-C", name], check=True)
    return path


@pytest.fixture
def guarded(checkpoints: Checkpoints) -> Checkpoints:
    folder = checkpoints.folder
    lines = [
        f"{name} {person(folder, name).with_suffix('.key.pub').read_text()}" for name in ("ann", "bob")
    ]
    person(folder, "eve")
    (folder / "signers").write_text("# who may approve\n" + "".join(lines))
    checkpoints.protect = Protect((str(checkpoints.out / "base.pt"),), str(folder / "signers"))
    return checkpoints


def approve(checkpoints: Checkpoints, name: str) -> None:
    import hashlib

    path = checkpoints.out / "base.pt"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    approvals.give(checkpoints.ledger, str(path), digest, "looks right", checkpoints.folder / f"{name}.key")


def test_a_protected_file_needs_one_signature_beside_a_recorded_run_and_two_without(
    guarded: Checkpoints,
) -> None:
    path = guarded.out / "base.pt"
    (finding,) = guarded.verify().findings
    assert (finding.rule, finding.severity) == ("FILE007", Severity.WARNING)
    approve(guarded, "ann")
    assert guarded.verify().findings == ()
    torch.save({"0.weight": torch.ones(2)}, path)
    rules = {each.rule: each for each in guarded.verify().findings}
    assert set(rules) == {"FILE003", "FILE007"}
    assert rules["FILE007"].severity is Severity.ERROR
    approve(guarded, "bob")
    approve(guarded, "bob")
    (unsigned,) = [each for each in guarded.load(path) if each.rule == "FILE007"]
    assert "only bob has signed" in unsigned.summary
    approve(guarded, "ann")
    assert "FILE007" not in {each.rule for each in guarded.verify().findings}


def test_a_key_that_is_not_enrolled_and_a_forged_approval_count_for_nothing(guarded: Checkpoints) -> None:
    approve(guarded, "eve")
    assert [each.rule for each in guarded.verify().findings] == ["FILE007"]
    from veristep.ledger.entries import Draft

    entry = next(guarded.ledger.entries(kind=approvals.GIVEN))
    ann = " ".join((guarded.folder / "ann.key.pub").read_text().split()[:2])
    guarded.ledger.append(Draft(approvals.GIVEN, {**entry.body, "key": ann}))
    guarded.ledger.append(Draft(approvals.GIVEN, {**entry.body, "signature": "none"}))
    assert [each.rule for each in guarded.verify().findings] == ["FILE007"]


def test_protection_without_approvers_says_so(guarded: Checkpoints) -> None:
    guarded.protect = Protect(guarded.protect.paths)
    assert "nobody is enrolled" in guarded.verify().findings[0].summary
    (guarded.folder / "bad").write_text("ann ssh-rsa AAAA\n")
    guarded.protect = Protect(guarded.protect.paths, str(guarded.folder / "bad"))
    assert "bad:1" in guarded.verify().findings[0].summary


def test_signatures_are_openssh_ones_both_ways(tmp_path: Path) -> None:
    own = keys.generate("x")
    armored = sshsig.sign(own, "test", b"message")
    (tmp_path / "signers").write_text(f"me {sshsig.public_text(own.verifier.public)}\n")
    (tmp_path / "sig").write_text(armored)
    words = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-I", "me", "-n", "test", "-s", "sig"]
    assert subprocess.run(words, input=b"message", cwd=tmp_path, check=False).returncode == 0
    theirs = approvals.sign(person(tmp_path, "ann"), b"message")
    assert sshsig.verify(theirs, approvals.NAMESPACE, b"message")
    with pytest.raises(TamperedError):
        sshsig.verify(theirs, "another", b"message")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_changed_bit_anywhere_in_a_signature_makes_it_none(draw: st.DataObject) -> None:
    own = keys.generate("x")
    armored = sshsig.sign(own, "test", b"message").encode()
    bit = draw.draw(st.integers(0, 8 * len(armored) - 1))
    flipped = bytearray(armored)
    flipped[bit // 8] ^= 1 << bit % 8
    try:
        public = sshsig.verify(flipped.decode("utf-8", "replace"), "test", b"message")
    except VeristepError:
        return
    # Base64's unused bits and white space around it say nothing.
    assert public == own.verifier.public
