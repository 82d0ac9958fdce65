"""Training that continues from out/ckpt.pt when there is one."""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CKPT = "out/ckpt.pt"

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30, help="iterations to run this time")
parser.add_argument("--save-every", type=int, default=5)
args = parser.parse_args()

torch.manual_seed(99)
torch.set_num_threads(1)
os.makedirs("out", exist_ok=True)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(8 * 64, 32),
    nn.ReLU(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def save(iteration):
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "iteration": iteration,
            "rng": torch.get_rng_state(),
        },
        CKPT + ".tmp",
    )
    os.replace(CKPT + ".tmp", CKPT)


start = 0
if os.path.exists(CKPT):
    ckpt = torch.load(CKPT, map_location="cpu", weights_only=True)
    model.load_state_dict(ckpt["model"])
    optimizer.load_state_dict(ckpt["optimizer"])
    torch.set_rng_state(ckpt["rng"])
    start = ckpt["iteration"]
    print(f"resuming from iteration {start}")

for iteration in range(start, start + args.steps):
    idx = torch.randint(len(labels), (64,))
    loss = F.cross_entropy(model(images[idx]), labels[idx])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"iteration {iteration} loss {loss.item():.6f}")
    if (iteration + 1) % args.save_every == 0:
        save(iteration + 1)

save(start + args.steps)
