"""What a replay takes as recorded is compared with the script's own, and named when it is not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from implants import implant
from lab import Lab, python
from veristep.replay.own_hyper import OwnHyperparameters, follows


def test_a_repeated_batch_among_right_ones_is_named_in_a_later_interval(lab: Lab) -> None:
    # Without any run from the start: the loader's own sampler shows it.
    lab.script("classifier_loader")
    lab.record(python("classifier_loader.py", "--steps", "20"), extra=implant(lab, step=14, repeats=True))
    verdict = lab.audit("last", "--steps", "10:20", "--conditions-budget", "0", status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["step"]) == ("RPL003", 14)


def test_a_learning_rate_off_its_schedule_is_named_in_a_later_interval(lab: Lab) -> None:
    lab.script("gpt_memmap")
    action = "opt.param_groups[-1]['weight_decay'] = 0.3"
    lab.record(python("gpt_memmap.py", "--steps", "20"), extra=implant(lab, action, step=14))
    verdict = lab.audit("last", "--steps", "10:20", "--conditions-budget", "60", status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["step"]) == ("RPL002", 14)
    assert finding["evidence"]["expected"].endswith(": 0.3")


def test_an_honest_script_with_a_schedule_by_hand_is_checked_completely(lab: Lab) -> None:
    lab.script("gpt_memmap")
    lab.record(python("gpt_memmap.py", "--steps", "20"))
    verdict = lab.audit("last", "--steps", "10:20", "--conditions-budget", "60")
    assert (verdict["verdict"], verdict["findings"]) == ("verified", [])
    conditions = verdict["coverage"]["conditions"]
    assert set(conditions) == {"hyperparameters", "batches", "random states"}
    assert all(outcomes == {"checked": 10} for outcomes in conditions.values()), conditions


def test_a_value_the_script_did_not_touch_is_its_own_whatever_was_imposed() -> None:
    known = OwnHyperparameters([{"lr": 0.1}], [{"lr": 0.1}])
    known.imposed([{"lr": 0.9}])
    assert known.seen([{"lr": 0.9}]) == [{"lr": 0.1}]
    assert known.seen([{"lr": 0.05}]) == [{"lr": 0.05}]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 11))
def test_a_schedule_is_followed_at_any_pace_and_left_only_where_it_is_left(
    pace: list[int], at: int
) -> None:
    walk = [[{"lr": 1 / (n + 1)}] for n in range(sum(pace) + 1)]
    place, recorded = 0, []
    for stride in pace:
        place += stride
        recorded.append(walk[place])
    keys = [(0, "lr")]
    assert follows(recorded, walk, keys) == []
    recorded[at % len(recorded)] = [{"lr": -1.0}]
    assert follows(recorded, walk, keys) == [at % len(recorded)]
