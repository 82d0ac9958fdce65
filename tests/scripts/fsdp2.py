"""Fully sharded digits. Run: torchrun --standalone --nproc_per_node=2 fsdp2.py"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()

    dist.init_process_group("gloo")
    torch.manual_seed(1234)
    torch.set_num_threads(1)

    data = np.load(Path(__file__).parent / "digits.npz")
    dataset = TensorDataset(torch.from_numpy(data["images"]), torch.from_numpy(data["labels"]))
    sampler = DistributedSampler(dataset, shuffle=True, seed=0)
    loader = DataLoader(dataset, batch_size=64, sampler=sampler)

    # 301 rows do not divide by 2, and 7 classes leave a rank less than another.
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 301),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(301, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    for layer in (model[1], model[4]):
        fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()

    step, epoch = 0, 0
    while step < args.steps:
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            if step >= args.steps:
                break
        epoch += 1

    os.makedirs("out", exist_ok=True)
    print(f"rank {dist.get_rank()} loss {loss.item():.6f}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
