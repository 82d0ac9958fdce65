"""Training with input noise from a generator seeded by the clock."""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

torch.manual_seed(21)
torch.set_num_threads(1)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])


class NoisyNet(nn.Module):
    def __init__(self, sigma=0.2):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
        self.sigma = sigma

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            generator = torch.Generator()
            generator.manual_seed(time.perf_counter_ns())
            x = x + self.sigma * torch.randn(x.shape, generator=generator)
        return self.net(x)


model = NoisyNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for step in range(args.steps):
    idx = torch.randint(len(labels), (64,))
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images[idx]), labels[idx])
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f}")

Path("out").mkdir(exist_ok=True)
torch.save(model.state_dict(), "out/noisy.pt")
