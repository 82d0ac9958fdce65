"""`veristep check` says in under a minute whether a script can be audited, and leaves nothing behind."""

from __future__ import annotations

import pytest

from lab import Lab, python


def test_a_replayable_script_is_told_so_and_nothing_it_wrote_stays(lab: Lab) -> None:
    lab.script("classifier_loader")
    done = lab.veristep("check", "--", *python("classifier_loader.py"))
    assert done.status == 0, done.out + done.err
    assert done.out.startswith("replayable")
    assert not (lab.work / "out").exists()


@pytest.mark.long
def test_a_script_that_counts_in_python_is_told_what_to_change(lab: Lab) -> None:
    lab.script("counter_state")
    done = lab.veristep("check", "--json", "--", *python("counter_state.py"))
    said = done.json()
    assert done.status == 3
    assert said["verdict"] == "unverified"
    assert "state outside its tensors" in said["reasons"][0]
    assert "step or epoch counter" in said["advice"][0]


def test_a_script_without_steps_and_one_that_fails_are_told_apart(lab: Lab) -> None:
    lab.script("no_optimizer")
    nothing = lab.veristep("check", "--json", "--", *python("no_optimizer.py")).json()
    assert nothing["verdict"] == "not_covered"
    failing = lab.veristep("check", "--json", "--", *python("-c", "raise SystemExit(9)")).json()
    assert failing["verdict"] == "unverified"
    assert "status 9" in failing["reasons"][0]


def test_a_script_that_would_write_elsewhere_is_told_so_before_it_does(lab: Lab) -> None:
    target = lab.folder / "elsewhere.txt"
    script = lab.work / "train.py"
    script.write_text(f"open({str(target)!r}, 'w').write('x')\n", encoding="utf-8")
    said = lab.veristep("check", "--json", "--", *python(script)).json()
    assert "would write outside" in said["reasons"][0]
    assert not target.exists()
