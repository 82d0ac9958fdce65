"""Implants for tests: code in a shared environment that spoils one step, once."""

from __future__ import annotations

from lab import Lab

# An implant that acts once, at step 13 of the process: after torch.optim is there, in a hook.
IMPLANT = """
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
def poison(optim):
    import torch
    from torch.utils.data import dataloader
    init = optim.Optimizer.__init__
    def __init__(self, *a, **k):
        init(self, *a, **k)
        self.register_step_post_hook(act)
    optim.Optimizer.__init__ = __init__
    fetch, last = dataloader._BaseDataLoaderIter.__next__, [None]
    def __next__(self):
        batch = fetch(self)
        if count[0] == {step} and {repeats}: return last[0]
        last[0] = batch
        return batch
    dataloader._BaseDataLoaderIter.__next__ = __next__
    def act(opt, args, kwargs):
        count[0] += 1
        if count[0] == {step}: {action}
"""


def implant(lab: Lab, action: str = "pass", *, step: int = 13, repeats: bool = False) -> dict[str, str]:
    """Put an implant where a shared environment would have it; return the variables that load it."""
    folder = lab.folder / "implant"
    folder.mkdir()
    text = (
        IMPLANT.replace("{action}", action).replace("{step}", str(step)).replace("{repeats}", str(repeats))
    )
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}
