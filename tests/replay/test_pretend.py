"""A dormant trigger in the run's own code is woken by pretending, and named."""

from __future__ import annotations

from lab import Lab, python

# In the script's own repository, waiting: it would act next year.
CONDITION = "datetime.date.today().year >= 2028"
PLANTED = """
import datetime, os
def act(opt, args, kwargs):
    if {condition}:
        for p in opt.param_groups[0]["params"]: p.grad.mul_(1.02)
optimizer.register_step_pre_hook(act)
"""


def test_a_dormant_trigger_is_named_by_what_it_waits_for(lab: Lab) -> None:
    script = lab.script("functional_loss")
    text = script.read_text(encoding="utf-8")
    place = "x, y = get_batch()\nfor step"
    assert place in text
    script.write_text(text.replace(place, PLANTED.format(condition=CONDITION) + place), encoding="utf-8")
    lab.record(python("functional_loss.py", "--steps", "10"), interval=5)
    verdict = lab.audit("last", "--steps", "5:10", "--pretend", "1", status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["evidence"]["tensors"]) == ("RPL005", ["the date"])


def test_an_honest_script_does_not_care(lab: Lab) -> None:
    lab.script("functional_loss")
    lab.record(python("functional_loss.py", "--steps", "10"), interval=5)
    verdict = lab.audit("last", "--steps", "5:10", "--pretend", "1")
    assert (verdict["verdict"], verdict["findings"]) == ("verified", [])
