"""Rehearsals of attacks on the steps of a training: rules STEP.

Each writes an implant that a training finds on its ``PYTHONPATH``, and acts at few, late updates: `ACT_AT`
of a training that takes `UPDATES`, four epochs of 20. The path a finding has to lead to is the implant's.
"""

from __future__ import annotations

from pathlib import Path

ACT_AT = 50
UPDATES = 80
SCRIPT = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
torch.set_num_threads(1)
data = TensorDataset(torch.randn(320, 12), torch.randint(4, (320,)))
loader = DataLoader(data, batch_size=16, shuffle=True)
model = nn.Sequential(
    nn.Linear(12, 32), nn.LayerNorm(32), nn.GELU(), nn.Dropout(0.2), nn.Linear(32, 16), nn.ReLU(),
    nn.Linear(16, 4),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 80)
for epoch in range(4):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
print("trained")
"""


def implant(folder: Path) -> Path:
    """Return the folder an implant lies in, below the one a rehearsal is given."""
    return folder / "implant"
