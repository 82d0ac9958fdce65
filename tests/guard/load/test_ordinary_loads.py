"""What ordinary trainings load, from files and from each other, passes without a word."""

from __future__ import annotations

import pytest

from gated import Gated

WAYS = {
    "estimators with joblib": """
import joblib, numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
x, y = np.random.rand(40, 3), np.arange(40) % 2
for compress in (0, 3):
    for each in (RandomForestClassifier(5), make_pipeline(StandardScaler(), LogisticRegression())):
        joblib.dump(each.fit(x, y), "model.joblib", compress=compress)
        joblib.load("model.joblib").predict(x)
""",
    "parallel jobs of joblib": """
from joblib import Parallel, delayed
if __name__ == "__main__":
    class Own:
        def __init__(self, n): self.n = n
        def __call__(self): return self.n
    found = Parallel(n_jobs=2)(delayed(lambda own: own())(Own(i)) for i in range(4))
    assert found == [0, 1, 2, 3]
""",
    "arrays of objects": """
import numpy as np
np.save("o.npy", np.array([{"a": np.float32(1)}, (np.datetime64("2026-01-01"), b"x")], dtype=object))
np.load("o.npy", allow_pickle=True)
np.savez("z.npz", a=np.array([None, "x"], dtype=object), rng=np.array([np.random.default_rng(3)]))
np.load("z.npz", allow_pickle=True)["a"], np.load("z.npz", allow_pickle=True)["rng"]
""",
    "checkpoints of all sorts": """
import copy, random, collections, argparse
import numpy as np
import torch
from torch import nn
class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2), nn.LSTM(2, 2), nn.TransformerEncoderLayer(4, 2)])
        self.act = torch.nn.functional.relu
model = Own()
optimizer = torch.optim.AdamW(model.parameters())
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10)
state = {"model": model, "sd": model.state_dict(), "opt": optimizer.state_dict(),
         "s": scheduler.state_dict(),
         "rng": (random.getstate(), np.random.get_state(), torch.get_rng_state(), np.random.default_rng(1)),
         "args": argparse.Namespace(lr=1.0), "dtype": torch.bfloat16, "device": torch.device("cpu"),
         "sparse": torch.eye(3).to_sparse(), "size": torch.Size([2]),
         "quantised": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8), "np": np.float64(3)}
for zipped in (True, False):
    kept = {k: v for k, v in state.items() if k != "quantised" or zipped}
    torch.save(kept, "c.pt", _use_new_zipfile_serialization=zipped)
    torch.load("c.pt", weights_only=False)
torch.save(state["sd"], "w.pt")
torch.load("w.pt"), torch.load("w.pt", mmap=True)
copy.deepcopy(model)
""",
    "distributed checkpoints and gathered objects": """
import os
import torch, torch.distributed as dist
import torch.distributed.checkpoint as dcp
place = "file://" + os.path.abspath("rendezvous")
dist.init_process_group("gloo", init_method=place, rank=0, world_size=1)
class Metric:
    def __init__(self): self.value = 1
gathered = [None]
dist.all_gather_object(gathered, {"metric": Metric(), "kind": os.path.basename})
box = [Metric()]
dist.broadcast_object_list(box, 0)
state = {"w": torch.ones(4), "step": 3, "extra": {"lr": [0.1]}}
dcp.save(state, checkpoint_id="dcp")
dcp.load(state, checkpoint_id="dcp")
dist.destroy_process_group()
""",
    "workers that start anew": """
import torch
from torch.utils.data import DataLoader, Dataset
class Items(Dataset):
    def __len__(self): return 4
    def __getitem__(self, i): return torch.ones(2) * i, {"name": str(i)}
def rank(i, queue):
    queue.put((i, torch.float32, Items))
if __name__ == "__main__":
    for batch in DataLoader(Items(), 2, num_workers=1, multiprocessing_context="spawn"):
        pass
    context = torch.multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = torch.multiprocessing.spawn(rank, (queue,), nprocs=1, join=False)
    assert queue.get()[0] == 0
    process.join()
""",
    "arguments of a trainer": """
import torch
from transformers import TrainingArguments
torch.save(TrainingArguments("out", report_to=[]), "training_args.bin")
torch.load("training_args.bin", weights_only=False)
""",
}
QUICK = ("arrays of objects",)


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=() if w in QUICK else pytest.mark.long) for w in WAYS]
)
def test_what_an_ordinary_training_loads_is_not_told_of(gated: Gated, way: str) -> None:
    done = gated.python(WAYS[way])
    assert done.status == 0, done.err
    assert [each for each in done.told if each["kind"] not in ("gate", "needs")] == []
