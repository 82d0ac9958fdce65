"""Dictionary batches from a loader that is read one batch ahead."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Digits(Dataset):
    def __init__(self):
        data = np.load(Path(__file__).parent / "digits.npz")
        self.images, self.labels = (
            torch.from_numpy(data["images"]),
            torch.from_numpy(data["labels"]),
        )

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return {"pixels": self.images[i], "labels": self.labels[i]}


def prefetched(loader):
    """Yields each batch after the next one has been fetched, so the last one is known."""
    iterator = iter(loader)
    try:
        current = next(iterator)
    except StopIteration:
        return
    while True:
        try:
            upcoming = next(iterator)
        except StopIteration:
            yield current, True
            return
        yield current, False
        current = upcoming


parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

torch.manual_seed(8)
torch.set_num_threads(1)

loader = DataLoader(Digits(), batch_size=96, shuffle=True)
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Dropout(0.1), nn.Linear(96, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

step, epoch = 0, 0
while step < args.steps:
    for batch, last in prefetched(loader):
        logits = model(batch["pixels"])
        loss = F.cross_entropy(logits, batch["labels"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(f"epoch {epoch} step {step} loss {loss.item():.6f}" + (" (last)" if last else ""))
        step += 1
        if step >= args.steps:
            break
    epoch += 1

Path("out").mkdir(exist_ok=True)
torch.save(model.state_dict(), "out/model.pt")
