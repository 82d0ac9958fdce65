"""A little GAN on the 8x8 digits: one discriminator and one generator step per iteration."""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--latent", type=int, default=16)
args = parser.parse_args()

torch.manual_seed(7)
torch.set_num_threads(1)

images = torch.from_numpy(np.load(Path(__file__).parent / "digits.npz")["images"])
loader = DataLoader(TensorDataset(images * 2 - 1), batch_size=64, shuffle=True, drop_last=True)

netG = nn.Sequential(
    nn.Linear(args.latent, 64),
    nn.BatchNorm1d(64),
    nn.ReLU(),
    nn.Linear(64, 64),
    nn.Tanh(),
    nn.Unflatten(1, (1, 8, 8)),
)
netD = nn.Sequential(
    nn.Flatten(),
    nn.Linear(64, 96),
    nn.LeakyReLU(0.2),
    nn.Dropout(0.3),
    nn.Linear(96, 1),
)
criterion = nn.BCEWithLogitsLoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
fixed_noise = torch.randn(16, args.latent)

it = 0
while it < args.steps:
    for (real,) in loader:
        b = real.size(0)

        # (1) update D: maximize log(D(x)) + log(1 - D(G(z)))
        netD.zero_grad()
        loss_real = criterion(netD(real), torch.ones(b, 1))
        loss_real.backward()
        fake = netG(torch.randn(b, args.latent))
        loss_fake = criterion(netD(fake.detach()), torch.zeros(b, 1))
        loss_fake.backward()
        optimizerD.step()

        # (2) update G: maximize log(D(G(z)))
        netG.zero_grad()
        lossG = criterion(netD(fake), torch.ones(b, 1))
        lossG.backward()
        optimizerG.step()

        print(f"[{it}] Loss_D {(loss_real + loss_fake).item():.6f} Loss_G {lossG.item():.6f}")
        it += 1
        if it >= args.steps:
            break

out = Path("out")
out.mkdir(exist_ok=True)
netG.eval()
with torch.no_grad():
    np.save(out / "samples.npy", netG(fixed_noise).numpy())
torch.save(netG.state_dict(), out / "netG.pth")
torch.save(netD.state_dict(), out / "netD.pth")
