"""One update, one tensor, one sign: the audit names the step, the tensor, the input and the rank."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Lab, python, torchrun
from veristep.drill.reversed_update import plant

STEP = 11
TENSOR = 2
CASES = ("classifier_loader", "augmented_workers", "gpt_memmap", "gan", "amp_clip")


def only_finding(lab: Lab, step: int = STEP) -> dict[str, Any]:
    """Return what is found in the interval of a step; those around it are for other tests."""
    verdict = lab.audit("last", "--steps", str(step), "--no-escalation", status=1)
    assert verdict["verdict"] == "violated"
    assert len(verdict["findings"]) == 1, verdict
    finding: dict[str, Any] = verdict["findings"][0]
    return finding


def tensor_names(lab: Lab) -> list[str]:
    """Return the names of the tensors of the optimizer that took the step."""
    shown = lab.veristep("show", "last", "--json").json()
    names: list[str] = shown["tensors"]
    return names


@pytest.mark.parametrize("script", CASES)
def test_one_reversed_update_of_one_tensor_is_named(lab: Lab, script: str) -> None:
    lab.script(script)
    implant = plant(lab.folder / "implant", steps=[STEP], tensor=TENSOR).parent
    lab.record(python(f"{script}.py", "--steps", "20"), extra={"PYTHONPATH": str(implant)})
    finding = only_finding(lab)
    assert (finding["step"], finding["rank"]) == (STEP, 0)
    assert finding["evidence"]["what"] == "update"
    assert len(finding["evidence"]["tensors"]) == 1
    assert finding["evidence"]["certain_since"] == STEP
    measured = finding["evidence"]["measured"]
    assert measured["cosine"] == pytest.approx(-1, abs=0.1)
    assert measured["relative"] == pytest.approx(2, rel=0.1)
    assert measured["tensors"] == finding["evidence"]["tensors"]


@pytest.mark.long
def test_one_reversed_update_on_one_rank_is_named_with_its_rank(lab: Lab) -> None:
    lab.script("ddp")
    implant = plant(lab.folder / "implant", steps=[STEP], tensor=TENSOR, rank=1).parent
    lab.record(torchrun("ddp.py", "--steps", "20"), extra={"PYTHONPATH": str(implant)})
    finding = only_finding(lab)
    assert (finding["step"], finding["rank"]) == (STEP, 1)
    assert finding["evidence"]["what"] == "update"


# Other ways to spoil a step. Each is an implant that acts once, and the input of the step it shows itself
# in first.
_HEAD = """
import sys, importlib.abc, importlib.util
class F(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torch.optim": return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module); poison(module)
        spec.loader.exec_module = exec_module
        return spec
sys.meta_path.insert(0, F())
count = [0]
"""
_HOOKS = """
def poison(optim):
    import torch
    init = optim.Optimizer.__init__
    def __init__(self, *a, **k):
        init(self, *a, **k)
        self.register_step_pre_hook(lambda opt, args, kwargs: act(opt, BEFORE))
        self.register_step_post_hook(after)
    optim.Optimizer.__init__ = __init__
    def after(opt, args, kwargs):
        act(opt, AFTER)
        count[0] += 1
    @torch.no_grad()
    def act(opt, actions):
        p = opt.param_groups[0]["params"][0]
        exec(actions.get(count[0], "pass"), {"opt": opt, "p": p, "torch": torch})
"""
# In a hook before the update or after it, and where it may show: how many steps later, in which input.
VARIATIONS = {
    "flips a gradient": ("before", "p.grad.neg_()", {0}, {"gradient", "update"}),
    "scales a gradient by 1.02": ("before", "p.grad.mul_(1.02)", {0}, {"gradient", "update"}),
    "nudges a weight by 1e-6": (
        "after", "p.view(-1)[0] += 1e-6 + p.view(-1)[0].abs() * 1e-6", {0, 1}, {"update", "entry"}),
    "undoes the momentum": (
        "after", "[b.neg_() for b in opt.state[p].values() if torch.is_tensor(b) and b.numel() > 1]",
        {1}, {"update"}),
    "zeroes a row": ("after", "p[0].zero_()", {0, 1}, {"update", "entry"}),
    "swaps two rows": ("after", "p.copy_(p.flip(0))", {0, 1}, {"update", "entry"}),
}  # fmt: skip


def hooked(lab: Lab, before: dict[int, str], after: dict[int, str]) -> dict[str, str]:
    """Plant what acts in hooks at some steps; return the variables that load it."""
    implant = lab.folder / "implant"
    implant.mkdir()
    text = f"{_HEAD}BEFORE, AFTER = {before!r}, {after!r}\n{_HOOKS}"
    (implant / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(implant)}


@pytest.mark.long
def test_each_of_several_ways_to_spoil_a_step_is_found_at_its_step(lab: Lab) -> None:
    # One in each interval but the first: a snapshot holds what those before it did, and hides none.
    lab.script("classifier_loader")
    planted = {10 * number + 3: each for number, each in enumerate(VARIATIONS.values(), 1)}
    before, after = (
        {step: each[1] for step, each in planted.items() if each[0] == when} for when in ("before", "after")
    )
    steps = 10 * (len(VARIATIONS) + 1)
    extra = hooked(lab, before, after)
    lab.record(python("classifier_loader.py", "--steps", str(steps)), extra=extra)
    verdict = lab.audit("last", "--all", status=1)
    coverage = verdict["coverage"]
    assert coverage["intervals_checked"] == coverage["intervals"] == len(VARIATIONS) + 1
    findings = verdict["findings"]
    assert len(findings) == len(VARIATIONS), findings
    for finding, (step, (_, _, later, what)) in zip(findings, planted.items(), strict=True):
        assert finding["step"] - step in later, finding
        assert finding["evidence"]["what"] in what, finding


def test_a_learning_rate_set_off_in_the_first_interval_is_named(lab: Lab) -> None:
    lab.script("classifier_loader")
    extra = hooked(lab, {}, {3: "opt.param_groups[0]['lr'] *= 1.5"})
    lab.record(python("classifier_loader.py", "--steps", "20"), extra=extra)
    finding = only_finding(lab, 4)
    assert (finding["step"], finding["evidence"]["what"]) == (4, "hyperparameter")
    assert finding["evidence"]["got"].startswith("lr of group 0")


def test_a_batch_changed_in_the_first_interval_is_named(lab: Lab) -> None:
    lab.script("classifier_loader")
    implant = lab.folder / "implant"
    implant.mkdir()
    poison = """
def poison(optim):
    from torch.utils.data import dataloader
    fetch = dataloader._BaseDataLoaderIter.__next__
    def __next__(self):
        batch = fetch(self)
        n = count[0]; count[0] += 1
        if n == 5: batch[1].copy_(batch[1].roll(1))
        return batch
    dataloader._BaseDataLoaderIter.__next__ = __next__
"""
    (implant / "sitecustomize.py").write_text(_HEAD + poison, encoding="utf-8")
    command = python("classifier_loader.py", "--steps", "20")
    lab.record(command, extra={"PYTHONPATH": str(implant)})
    finding = only_finding(lab, 5)
    assert (finding["step"], finding["evidence"]["what"]) == (5, "batch")


def test_a_script_without_a_seed_makes_other_batches_each_time_and_is_not_accused(lab: Lab) -> None:
    script = lab.script("classifier_loader")
    text = script.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if "manual_seed" not in line]
    assert len(lines) < len(text.splitlines())
    script.write_text("\n".join(lines), encoding="utf-8")
    lab.record(python("classifier_loader.py", "--steps", "20"))
    verdict = lab.audit("last", "--all")
    assert (verdict["verdict"], verdict["findings"]) == ("verified", [])
