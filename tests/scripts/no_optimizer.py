"""Inference only: class activations of a fixed random-feature network."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30, help="batches to run")
args = parser.parse_args()

torch.manual_seed(5)
torch.set_num_threads(1)

data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])
loader = DataLoader(TensorDataset(images, labels), batch_size=48)

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
model.eval()
criterion = nn.CrossEntropyLoss()

outputs = []
with torch.inference_mode():
    for step, (x, y) in enumerate(loader):
        if step >= args.steps:
            break
        logits = model(x)
        outputs.append(logits)
        print(f"batch {step} loss {criterion(logits, y).item():.6f}")

Path("out").mkdir(exist_ok=True)
np.save("out/logits.npy", torch.cat(outputs).numpy())
