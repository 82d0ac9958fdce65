"""Mixed precision: bfloat16 autocast, a gradient scaler and gradient clipping."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--batch-size", type=int, default=64)
args = parser.parse_args()

torch.manual_seed(42)
torch.set_num_threads(1)
rng = np.random.default_rng(42)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = data["images"] * 16, data["labels"]  # raw intensities, 0 to 16

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
# start from an enormous scale and let the scaler find its way down
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=10)

skipped = 0
for step in range(args.steps):
    index = rng.integers(0, len(labels), args.batch_size)
    x, y = torch.from_numpy(images[index]), torch.from_numpy(labels[index])

    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(model(x), y, reduction="sum")
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    scale = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    skipped += scaler.get_scale() < scale

    print(f"step {step} loss {loss.item() / args.batch_size:.6f} norm {norm:.4f} scale {scale:.3e}")

print(f"{skipped} updates skipped")
Path("out").mkdir(exist_ok=True)
torch.save({"model": model.state_dict(), "scaler": scaler.state_dict()}, "out/amp.pt")
