"""Compile caches: private where the user chose none; one that others can write is a finding."""

from __future__ import annotations

import os
from pathlib import Path

from veristep.guard.load import shared_cache, unsafe
from veristep.supervise import boot


def test_a_run_has_caches_of_its_own_unless_its_user_chose_others(tmp_path: Path) -> None:
    env = {"TRITON_CACHE_DIR": "/chosen"}
    boot.private_caches(env, str(tmp_path))
    assert env["TRITON_CACHE_DIR"] == "/chosen"
    own = Path(env["TORCHINDUCTOR_CACHE_DIR"])
    assert own.is_relative_to(tmp_path)
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_others_can_write_is_found_wherever_in_it(tmp_path: Path) -> None:
    inner = tmp_path / "fxgraph" / "ab"
    inner.mkdir(parents=True)
    entry = inner / "entry"
    entry.write_bytes(b"")
    for path in (tmp_path, tmp_path / "fxgraph", inner):
        path.chmod(0o700)
    entry.chmod(0o600)
    assert shared_cache.in_folder(tmp_path, "X", os.getuid()) is None
    for path, mode in ((entry, 0o620), (inner, 0o702), (tmp_path, 0o777)):
        kept = path.stat().st_mode
        path.chmod(mode)
        found = shared_cache.in_folder(tmp_path, "X", os.getuid())
        assert found is not None
        assert found.evidence["path"] == str(path)
        path.chmod(kept)
    other = shared_cache.in_folder(tmp_path, "X", os.getuid() + 1)
    assert other is None if os.getuid() == 0 else other is not None


def test_a_cache_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert shared_cache.in_folder(tmp_path / "none", "X", os.getuid()) is None


def test_the_variable_that_switches_weights_only_off_is_found() -> None:
    assert unsafe.in_environment({}) == []
    assert unsafe.in_environment({unsafe.VARIABLE: "0"}) == []
    assert [each.rule for each in unsafe.in_environment({unsafe.VARIABLE: "1"})] == ["LOAD005"]
