"""Digits with random augmentation done in DataLoader worker processes."""

import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class AugmentedDigits(Dataset):
    def __init__(self, path):
        data = np.load(path)
        self.images, self.labels = data["images"], data["labels"]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = self.images[index]
        # shift by up to one pixel, brightness, pixel noise
        image = np.roll(image, (random.randint(-1, 1), random.randint(-1, 1)), axis=(1, 2))
        image = image * np.float32(np.random.uniform(0.8, 1.2))
        x = torch.from_numpy(image)
        x = x + 0.05 * torch.randn_like(x)
        return x, int(self.labels[index])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)

    loader = DataLoader(
        AugmentedDigits(Path(__file__).parent / "digits.npz"),
        batch_size=128,
        shuffle=True,
        drop_last=True,
        num_workers=args.workers,
        multiprocessing_context="spawn" if args.workers else None,
        persistent_workers=args.workers > 0,
    )
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(16 * 64, 32),
        nn.GELU(),
        nn.Linear(32, 10),
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)

    step, epoch = 0, 0
    while step < args.steps:
        for x, y in loader:
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            print(f"epoch {epoch} step {step} loss {loss.item():.6f}", flush=True)
            step += 1
            if step >= args.steps:
                break
        epoch += 1

    Path("out").mkdir(exist_ok=True)
    torch.save(model.state_dict(), "out/model.pt")


if __name__ == "__main__":
    main()
