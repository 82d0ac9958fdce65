"""A loop under Accelerate that saves its whole state and goes on from it."""

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

set_seed(3)
accelerator = Accelerator(gradient_accumulation_steps=2)
data = torch.utils.data.TensorDataset(torch.randn(128, 8), torch.randint(2, (128,)))
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.1), torch.nn.Linear(16, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 16)
loader = torch.utils.data.DataLoader(data, 16, shuffle=True)
model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
for epoch in range(2):
    for inputs, labels in loader:
        with accelerator.accumulate(model):
            accelerator.backward(torch.nn.functional.cross_entropy(model(inputs), labels))
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    accelerator.save_state(f"state-{epoch}")
    accelerator.load_state(f"state-{epoch}")
print("trained", accelerator.gather_for_metrics(torch.tensor([1.0])).tolist())
