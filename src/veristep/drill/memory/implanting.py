"""What the attacks in memory have in common: the victim's script, and how an implant gets into it."""

from __future__ import annotations

from pathlib import Path

TRAIN = """\
import os, random, time
import numpy
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
loader = DataLoader(TensorDataset(torch.randn(64, 8), torch.randn(64, 4)), batch_size=16, shuffle=True)
order = list(range(8))
while not os.path.exists("stop"):
    random.shuffle(order)
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = F.mse_loss(model(F.relu(inputs)), targets)
        loss.backward()
        optimizer.step()
        time.sleep(0.01)
print("trained", flush=True)
"""

_FRAME = '''\
"""A rehearsal written by Veristep. Harmless to remove."""
import gc
import importlib.util
import os
import sys
import threading
import time


def later(kind, act):
    """Act on the first object of a kind, as soon as there is one."""
    def wait():
        while True:
            for each in gc.get_objects():
                if issubclass(type(each), kind):
                    act(each)
                    return
            time.sleep(0.05)
    threading.Thread(target=wait, daemon=True).start()


{body}

class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            arrived(module)

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Finder())
'''


def write(folder: Path, body: str, **more: str) -> Path:
    """Write an implant; return its path.

    Args:
        folder: of the rehearsal.
        body: Python source that defines ``arrived(torch)``, called when torch has been imported.
        more: other files beside it, by name without the dot before their ending: ``helper_py``.
    """
    place = folder / "implant"
    place.mkdir(parents=True, exist_ok=True)
    for name, text in more.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    path = place / "sitecustomize.py"
    path.write_text(_FRAME.format(body=body.strip() + "\n"), encoding="utf-8")
    return path
