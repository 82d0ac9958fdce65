"""A small causal language model trained with Hugging Face's Trainer."""

import argparse
import math

import torch
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=30)
args = parser.parse_args()

set_seed(19)
torch.set_num_threads(1)


class Sequences(Dataset):
    """Token sequences that count upwards from random starts in random strides."""

    def __init__(self, size, seed, length=24, vocabulary=64):
        generator = torch.Generator().manual_seed(seed)
        start = torch.randint(vocabulary, (size, 1), generator=generator)
        stride = torch.randint(1, 5, (size, 1), generator=generator)
        self.tokens = (start + stride * torch.arange(length)) % vocabulary

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, i):
        return {"input_ids": self.tokens[i], "labels": self.tokens[i]}


class Perplexity(TrainerCallback):
    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        print(f"step {state.global_step}: perplexity {math.exp(metrics['eval_loss']):.3f}")


config = GPT2Config(
    vocab_size=64,
    n_positions=24,
    n_embd=32,
    n_layer=2,
    n_head=2,
    bos_token_id=0,
    eos_token_id=0,
)
arguments = TrainingArguments(
    output_dir="out",
    max_steps=args.steps,
    per_device_train_batch_size=8,
    per_device_eval_batch_size=16,
    gradient_accumulation_steps=2,
    learning_rate=3e-3,
    weight_decay=0.01,
    lr_scheduler_type="cosine",
    warmup_steps=5,
    max_grad_norm=1.0,
    logging_steps=3,
    eval_strategy="steps",
    eval_steps=7,
    save_strategy="steps",
    save_steps=8,
    save_total_limit=2,
    report_to="none",
    use_cpu=True,
    seed=19,
)
trainer = Trainer(
    model=GPT2LMHeadModel(config),
    args=arguments,
    train_dataset=Sequences(150, seed=1),
    eval_dataset=Sequences(32, seed=2),
    callbacks=[Perplexity()],
)
trainer.train()
trainer.save_model("out/final")
print(trainer.evaluate())
