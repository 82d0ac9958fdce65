"""A digit classifier trained with Lightning."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

pl.seed_everything(23, workers=True)
torch.set_num_threads(1)


class Digits(pl.LightningDataModule):
    def setup(self, stage):
        data = np.load(Path(__file__).parent / "digits.npz")
        images, labels = torch.from_numpy(data["images"]), torch.from_numpy(data["labels"])
        everything = TensorDataset(images, labels)
        self.train, self.val = random_split(everything, [0.8, 0.2])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=51, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=128)


class Classifier(pl.LightningModule):
    def __init__(self, lr=4e-3, warmup=5):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 96),
            nn.BatchNorm1d(96),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(96, 10),
        )

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_acc", (logits.argmax(1) == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, weight_decay=0.01)
        warmup = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=self.hparams.warmup)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
        schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], [self.hparams.warmup])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


trainer = pl.Trainer(
    max_steps=args.steps,
    accelerator="cpu",
    devices=int(os.environ.get("WORLD_SIZE", "1")),
    accumulate_grad_batches=2,
    gradient_clip_val=1.0,
    val_check_interval=7,
    log_every_n_steps=3,
    default_root_dir="out",
    logger=CSVLogger("out", name="logs"),
    callbacks=[
        ModelCheckpoint(dirpath="out/checkpoints", monitor="val_loss", save_last=True),
        LearningRateMonitor(),
    ],
    enable_model_summary=False,
)
trainer.fit(Classifier(), datamodule=Digits())
print({name: round(value.item(), 4) for name, value in trainer.callback_metrics.items()})
