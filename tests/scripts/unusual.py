"""Next-character model: sparse embedding, shared and frozen layers, a late parameter group."""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--unfreeze-at", type=int, default=5)
args = parser.parse_args()

torch.manual_seed(11)
torch.set_num_threads(1)

CONTEXT, DIM = 8, 32
text = (Path(__file__).parent / "corpus.txt").read_text()
stoi = {c: i for i, c in enumerate(sorted(set(text)))}
tokens = torch.tensor([stoi[c] for c in text])


class Model(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embed = nn.Embedding(vocab, DIM, sparse=True)
        self.position = nn.Parameter(torch.randn(CONTEXT, DIM) * 0.1, requires_grad=False)
        self.features = nn.Linear(CONTEXT * DIM, DIM)
        self.block1 = nn.Linear(DIM, DIM)
        self.block2 = nn.Linear(DIM, DIM)
        self.block2.weight = self.block1.weight  # shared
        self.head = nn.Linear(DIM, vocab)

    def forward(self, idx):
        x = (self.embed(idx) + self.position).flatten(1)
        x = torch.tanh(self.features(x))
        x = x + torch.relu(self.block1(x))
        x = x + torch.relu(self.block2(x))
        return self.head(x)


model = Model(len(stoi))
for p in model.features.parameters():  # warm the head up first
    p.requires_grad = False

dense = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("embed.")]
sparse_optimizer = torch.optim.SparseAdam(model.embed.parameters(), lr=5e-3)
optimizer = torch.optim.AdamW(dense, lr=5e-3)

for it in range(args.steps):
    if it == args.unfreeze_at:
        for p in model.features.parameters():
            p.requires_grad = True
        optimizer.add_param_group({"params": model.features.parameters(), "lr": 1e-3})
        print(f"iteration {it}: features unfrozen")

    start = torch.randint(len(tokens) - CONTEXT, (64,))
    x = tokens[start[:, None] + torch.arange(CONTEXT)]
    y = tokens[start + CONTEXT]

    optimizer.zero_grad()
    sparse_optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    sparse_optimizer.step()
    print(f"iteration {it} loss {loss.item():.6f}")

Path("out").mkdir(exist_ok=True)
torch.save(model.state_dict(), "out/model.pt")
