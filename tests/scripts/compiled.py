"""A compiled multilayer perceptron with dropout."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

torch.manual_seed(3)
torch.set_num_threads(1)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])


class MLP(nn.Module):
    def __init__(self, hidden=96, p=0.2):
        super().__init__()
        self.fc1 = nn.Linear(64, hidden)
        self.fc2 = nn.Linear(hidden, 10)
        self.p = p

    def forward(self, x):
        x = F.gelu(self.fc1(x.flatten(1)))
        x = F.dropout(x, self.p, self.training)
        return self.fc2(x)


raw_model = MLP()
model = torch.compile(raw_model)
optimizer = torch.optim.AdamW(raw_model.parameters(), lr=3e-3)

for step in range(args.steps):
    idx = torch.randint(len(labels), (64,))
    loss = F.cross_entropy(model(images[idx]), labels[idx])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f}")

Path("out").mkdir(exist_ok=True)
torch.save(raw_model.state_dict(), "out/compiled.pt")
