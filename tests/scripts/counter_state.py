"""A variational autoencoder whose KL weight is annealed with the iteration number."""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--anneal", type=int, default=100)
args = parser.parse_args()

torch.manual_seed(17)
torch.set_num_threads(1)

images = torch.from_numpy(np.load(Path(__file__).parent / "digits.npz")["images"]).flatten(1)


class VAE(nn.Module):
    def __init__(self, latent=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 64), nn.ReLU(), nn.Linear(64, 64))

    def forward(self, x):
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        z = mu + torch.randn_like(mu) * (0.5 * logvar).exp()
        return self.decoder(z), mu, logvar


model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for it in range(args.steps):
    x = images[torch.randint(len(images), (64,))]
    logits, mu, logvar = model(x)
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)
    kl = -0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1).mean()
    weight = min(1.0, it / args.anneal)
    loss = reconstruction + weight * kl

    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"it {it} loss {loss.item():.6f} kl {kl.item():.6f} weight {weight:.2f}")

Path("out").mkdir(exist_ok=True)
torch.save(model.state_dict(), "out/vae.pt")
