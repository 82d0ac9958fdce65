"""Saves whole modules and evaluates an exponential moving average of the weights."""

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--decay", type=float, default=0.9)
args = parser.parse_args()

torch.manual_seed(2024)
torch.set_num_threads(1)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])
loader = DataLoader(TensorDataset(images[:1500], labels[:1500]), batch_size=100, shuffle=True)


class Classifier(nn.Module):
    def __init__(self, width=96):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU())
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.drop(self.body(x.flatten(1))))


@torch.no_grad()
def update_ema(ema, model):
    for e, p in zip(ema.parameters(), model.parameters()):
        e.lerp_(p, 1 - args.decay)
    for e, b in zip(ema.buffers(), model.buffers()):
        e.copy_(b)


@torch.no_grad()
def accuracy(model):
    return (model(images[1500:]).argmax(1) == labels[1500:]).float().mean().item()


model = Classifier()
ema = copy.deepcopy(model).eval().requires_grad_(False)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
out = Path("out")
out.mkdir(exist_ok=True)

step, epoch = 0, 0
while step < args.steps:
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        update_ema(ema, model)
        print(f"epoch {epoch} step {step} loss {loss.item():.6f}")
        step += 1
        if step >= args.steps:
            break
    print(f"epoch {epoch} ema accuracy {accuracy(ema):.4f}")
    torch.save(model, out / "model.pt")
    torch.save(ema, out / "ema.pt")
    epoch += 1
