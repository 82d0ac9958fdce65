"""An unmodified run never raises a finding: twenty runs with other seeds, two scripts, drawn intervals."""

from __future__ import annotations

import pytest

from lab import Lab, python

SOON = 3
SEEDS = [*range(SOON), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(SOON, 20))]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_run_never_raises_a_finding(lab: Lab, seed: int) -> None:
    name = ("gpt_memmap", "classifier_loader")[seed % 2]
    script = lab.script(name)
    text = script.read_text(encoding="utf-8")
    assert "torch.manual_seed(" in text
    script.write_text(text.replace("torch.manual_seed(", f"torch.manual_seed({seed} + "), encoding="utf-8")
    done = lab.veristep("run", "--interval", "12", "--", *python(script, "--steps", "24"))
    assert done.status == 0, done.err
    verdict = lab.audit("last", "--intervals", "1")
    assert (verdict["verdict"], verdict["findings"]) == ("verified", [])
    assert verdict["coverage"]["steps_checked"] == 12
