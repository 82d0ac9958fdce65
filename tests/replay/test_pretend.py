"""A dormant trigger in the run's own code is woken by pretending, and named."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


@pytest.mark.long
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


DATES = """
import copy, datetime as real, pickle
values = [real.datetime(2026, 3, 1, 12, tzinfo=real.timezone.utc), real.datetime(2026, 3, 1, fold=1)]
values += [real.datetime.now(), real.date(2026, 3, 1)]
sent = [pickle.dumps(each) for each in values]
from veristep.replay.pretend.guise import put_on
put_on({"seconds": 864_000})
import datetime
now = datetime.datetime.now()
assert 9 < (now - values[2]).days < 11
for each in [*values, now, datetime.datetime(2026, 3, 1), datetime.date.today()]:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(each, protocol))
        assert again == each and again.__class__.__name__ == each.__class__.__name__, each
    assert copy.deepcopy(each) == each
assert pickle.loads(pickle.dumps(values[1])).fold == 1
assert [pickle.dumps(each) for each in values] == sent
"""


def test_dates_can_be_sent_from_process_to_process_in_a_guise() -> None:
    # The launcher of several ranks does, and without it none of them could be replayed under another date.
    done = subprocess.run([sys.executable, "-c", DATES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
