"""Plain loop: random batches by index, functional loss, next batch drawn after the update."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()

torch.manual_seed(1)
torch.set_num_threads(1)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])


def get_batch():
    ix = torch.randint(len(labels), (args.batch_size,))
    return images[ix], labels[ix]


model = nn.Sequential(
    nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)

x, y = get_batch()
for step in range(args.steps):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    x, y = get_batch()
    print(f"step {step} loss {loss.item():.6f}")

Path("out").mkdir(exist_ok=True)
torch.save(model.state_dict(), "out/model.pt")
