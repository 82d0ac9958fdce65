"""On a machine that rounds otherwise: an honest interval is within noise, a reversed update is not."""

from __future__ import annotations

import pytest

from lab import Lab, python
from veristep.drill.reversed_update import plant
from veristep.replay.noise.likeness import available

STEP = 9


@pytest.mark.skipif(len(available()) < 2, reason="this processor has one instruction set only")
@pytest.mark.long
def test_rounding_is_told_from_a_reversed_update(lab: Lab) -> None:
    lab.script("classifier_loader")
    implant = plant(lab.folder / "implant", steps=[STEP]).parent
    lab.record(
        python("classifier_loader.py", "--steps", "12"), interval=6, extra={"PYTHONPATH": str(implant)}
    )
    verdict = lab.audit("last", "--all", "--platform", "isa=default", status=1)
    assert verdict["coverage"]["in_noise"] == 6
    (finding,) = verdict["findings"]
    assert finding["evidence"]["what"] == "noise"
    assert finding["evidence"]["interval"] == [6, 12]
    assert finding["step"] == STEP
    assert finding["evidence"]["measured"]["cosine"] == pytest.approx(-1, abs=0.05)
