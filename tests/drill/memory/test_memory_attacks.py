"""Row 9: each attack in memory is found while the training goes on, by its rule and at its file."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk import Desk
from once import BYTE_CODE
from veristep.drill.attack import Attack, family
from veristep.drill.memory.implanting import TRAIN

# What torch compiles to, and what a clean process has, is asked once for all tests.
CACHE = Path(tempfile.gettempdir()) / f"veristep-test-memory-{os.getuid()}"
SECONDS = 120.0
ATTACKS = {each.name: each for each in family("memory")}
RANKS = ("only in a world of ranks", "only on one rank")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    CACHE.mkdir(mode=0o700, exist_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "PYTHON", "VERISTEP"))
    }
    private = {
        "HOME": str(tmp_path / "home"),
        "XDG_STATE_HOME": str(tmp_path / "home/state"),
        "XDG_CACHE_HOME": str(CACHE),
        "VERISTEP_LEDGER": str(tmp_path / "ledger"),
        "PYTHONPYCACHEPREFIX": str(BYTE_CODE),
    }
    here = Desk(tmp_path, environment | private)
    here.write("veristep.toml", '[rules]\nENV = "off"\nSTEP = "off"\nPROC = "off"\n')
    here.write("train.py", TRAIN)
    yield here
    for process in here.started:
        if process.poll() is None:
            process.kill()
        process.wait()


def found_after(desk: Desk, attack: Attack, command: list[str]) -> float:
    """Train under an attack until its rule has spoken; return after how many seconds of training."""
    path = attack.plant(desk.folder)
    process = desk.start(command, env={"PYTHONPATH": str(desk.folder / "implant")})
    began = time.monotonic()
    desk.wait_for(lambda: f"[{attack.rule}]" in desk.err() or process.poll() is not None, SECONDS)
    took = time.monotonic() - began
    desk.write("stop", "")
    assert process.wait(60) == 0, desk.err()
    assert "trained" in desk.out()
    found = [each for each in desk.findings(attack.rule) if each.severity.value != "info"]
    assert found, desk.err()
    named = [each for each in found if str(each.evidence.get("path", "")).endswith(str(path).lstrip("."))]
    assert named or path == Path(), [each.summary for each in found]
    if path.is_absolute():
        assert any({"file", "owner"} <= {one.what for one in each.suspects} for each in named)
    return took


@pytest.mark.long
@pytest.mark.parametrize("name", [each for each in ATTACKS if each not in RANKS])
def test_an_attack_is_named_while_the_training_goes_on(desk: Desk, name: str) -> None:
    took = found_after(desk, ATTACKS[name], [sys.executable, "train.py"])
    print(f"{name}: {took:.1f} s")


@pytest.mark.long
@pytest.mark.parametrize("name", RANKS)
def test_an_attack_that_waits_for_ranks_is_named_with_its_rank(desk: Desk, name: str) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "train.py"]
    found_after(desk, ATTACKS[name], torchrun)
    if name == "only on one rank":
        ranks = {each.rank for each in desk.findings("MEM002") if each.severity.value == "error"}
        assert ranks == {1}
