"""The same small network under a choice of optimizers."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Optimizer


class Lion(Optimizer):
    """Evolved Sign Momentum (Chen et al., 2023)."""

    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p)
                exp_avg = state["exp_avg"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                update = exp_avg.mul(beta1).add(p.grad, alpha=1 - beta1).sign_()
                p.add_(update, alpha=-group["lr"])
                exp_avg.mul_(beta2).add_(p.grad, alpha=1 - beta2)
        return loss


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-4),
    "adam": lambda p: torch.optim.Adam(p, lr=3e-3, amsgrad=True),
    "adamw-foreach": lambda p: torch.optim.AdamW(p, lr=3e-3, foreach=True),
    "adamw-fused": lambda p: torch.optim.AdamW(p, lr=3e-3, fused=True),
    "adamw-single": lambda p: torch.optim.AdamW(p, lr=3e-3, foreach=False, fused=False),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.02, lr_decay=1e-3),
    "lbfgs": lambda p: torch.optim.LBFGS(
        p, lr=0.5, max_iter=4, history_size=5, line_search_fn="strong_wolfe"
    ),
    "own": lambda p: Lion(p, lr=1e-3, weight_decay=0.01),
}

parser = argparse.ArgumentParser()
parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

torch.manual_seed(0)
torch.set_num_threads(1)
data = np.load(Path(__file__).parent / "digits.npz")
images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.Tanh(), nn.Linear(96, 10))
optimizer = OPTIMIZERS[args.optimizer](model.parameters())

for step in range(args.steps):
    idx = torch.randint(len(labels), (128,))
    x, y = images[idx], labels[idx]

    if args.optimizer == "lbfgs":

        def closure():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
    else:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{args.optimizer} step {step} loss {loss.item():.6f}")

Path("out").mkdir(exist_ok=True)
state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
torch.save(state, f"out/{args.optimizer}.pt")
