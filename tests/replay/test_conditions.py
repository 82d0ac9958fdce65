"""What a replay takes as recorded is compared with the script's own, and named when it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from implants import implant
from lab import Lab, python, torchrun
from veristep.drill import learning_rate_off_schedule, repeated_batch
from veristep.replay.inside.own_hyper import OwnHyperparameters, follows
from veristep.replay.order import OFF_SCHEDULE


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


# As Accelerate has it: the scheduler knows a wrapper around the optimizer, and steps once for each rank.
WRAPPED = """
import torch
class Wrapper(torch.optim.Optimizer):
    def __init__(self, optimizer):
        self.optimizer = optimizer
    param_groups = property(lambda self: self.optimizer.param_groups)
    state = property(lambda self: self.optimizer.state)
    defaults = property(lambda self: self.optimizer.defaults)
    def step(self, closure=None):
        return self.optimizer.step(closure)
torch.manual_seed(1)
model = torch.nn.Linear(4, 1)
optimizer = Wrapper(torch.optim.SGD(model.parameters(), 0.1))
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 / (1 + n))
for step in range(20):
    optimizer.optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    scheduler.step()
    scheduler.step()
"""


def test_a_rate_off_the_schedule_of_a_wrapped_optimizer_is_named_without_a_run_from_the_start(
    lab: Lab,
) -> None:
    script = lab.work / "wrapped.py"
    script.write_text(WRAPPED, encoding="utf-8")
    planted = learning_rate_off_schedule.plant(lab.folder / "implant", steps=[14])
    lab.record(python(script), extra={"PYTHONPATH": str(planted.parent)})
    verdict = lab.audit("last", "--steps", "10:20", "--conditions-budget", "0", status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["step"]) == ("RPL002", 14)
    # The steps before and after it are on the schedule, at its pace.
    assert finding["evidence"]["detail"] == OFF_SCHEDULE


# As Accelerate has it: batches are fetched ahead, and the model gets copies: whose they are is not seen.
AHEAD = """
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(1)
data = TensorDataset(torch.randn(200, 4), torch.randn(200, 1))
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
batches = iter(DataLoader(data, batch_size=8, shuffle=True))
ahead = [next(batches) for _ in range(3)]
for step in range(20):
    ahead.append(next(batches))
    x, y = (each.clone() for each in ahead.pop(0))
    optimizer.zero_grad()
    torch.nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize("budget", ["0", pytest.param("120", marks=pytest.mark.long)])
def test_a_repeated_batch_fetched_before_the_interval_that_uses_it_is_named(lab: Lab, budget: str) -> None:
    script = lab.work / "ahead.py"
    script.write_text(AHEAD, encoding="utf-8")
    planted = repeated_batch.plant(lab.folder / "implant", steps=[8])
    lab.record(python(script), extra={"PYTHONPATH": str(planted.parent)})
    verdict = lab.audit("last", "--steps", "10:20", "--conditions-budget", budget, status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["step"]) == ("RPL003", 11)


@pytest.mark.long
def test_a_learning_rate_off_on_two_ranks_is_settled_by_a_run_from_the_start(lab: Lab) -> None:
    # The second run from the start, which confirms it, has another date: the launcher must bear that.
    lab.script("ddp")
    planted = learning_rate_off_schedule.plant(lab.folder / "implant", steps=[7])
    command = torchrun("ddp.py", "--steps", "10")
    lab.record(command, interval=5, extra={"PYTHONPATH": str(planted.parent)})
    verdict = lab.audit("last", "--steps", "5:10", "--conditions-budget", "120", status=1)
    (finding,) = verdict["findings"]
    assert (finding["rule"], finding["step"]) == ("RPL002", 7)


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
