"""The benign half of the corpus: ordinary files, written by the libraries themselves."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import lzma
import pickle
import random
import tarfile
import warnings
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Make = Callable[[Path, Path], None]
Made = tuple[str, str, Make]


def benign() -> Iterator[Made]:
    """Yield name, loader and maker of every sample."""
    for group in (_plain, _arrays, _torch, _trainers, _estimators, _texts):
        for label, (loader, write) in group().items():
            yield label, loader, _writing(write)


def _writing(write: Callable[[Path], Any]) -> Make:
    def make(path: Path, mark: Path) -> None:
        del mark
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            write(path)

    return make


def _pickled(value: Any, protocol: int = 4) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(pickle.dumps(value, protocol)) and None


Group = dict[str, tuple[str, Callable[[Path], Any]]]


def _plain() -> Group:
    state = {
        "when": datetime.now(UTC), "counts": Counter("abc"), "ordered": OrderedDict(a=1), "path": Path("/tmp/x"),
        "default": defaultdict(list, a=[1]), "random": random.getstate(), "set": {1, 2}, "range": range(3),
    }  # fmt: skip
    return {
        "containers.pkl": ("pickle", _pickled(state)),
        "containers 0.pkl": ("pickle", _pickled(state, 0)),
        "containers 2.pkl": ("pickle", _pickled(state, 2)),
        "containers.pkl.gz": (
            "gzip",
            lambda path: path.write_bytes(gzip.compress(pickle.dumps(state))) and None,
        ),
        "containers.pkl.zst": (
            "zstd",
            lambda path: path.write_bytes(_zstd(pickle.dumps(state))) and None,
        ),
        "containers.pkl.bz2": (
            "bz2",
            lambda path: path.write_bytes(bz2.compress(pickle.dumps(state))) and None,
        ),
        "containers.pkl.xz": (
            "lzma",
            lambda path: path.write_bytes(lzma.compress(pickle.dumps(state))) and None,
        ),
        "two.pkl": ("pickles", lambda path: path.write_bytes(pickle.dumps(1) + pickle.dumps([2])) and None),
    }


def _zstd(data: bytes) -> bytes:
    return bytes(importlib.import_module("zstandard").compress(data))


def _arrays() -> Group:
    import numpy as np

    def objects(path: Path) -> None:
        np.save(path, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)

    record = np.zeros(3, dtype=[("a", "f4"), ("b", "i8", (2,))])
    return {
        "array.npy": ("numpy", lambda path: np.save(path, np.arange(10.0))),
        "objects.npy": ("numpy", objects),
        "record.npy": ("numpy", lambda path: np.save(path, record)),
        "arrays.npz": ("numpy", lambda path: np.savez(path, a=np.arange(3), b=np.eye(2))),
        "packed.npz": (
            "numpy",
            lambda path: np.savez_compressed(path, a=np.zeros(9000), text=np.array(["x"])),
        ),
        "array.pkl": ("pickle", _pickled([np.arange(3), np.float32(1), np.array("text")])),
        "array 5.pkl": ("pickle", _pickled(np.random.default_rng(0).normal(size=300_000), 5)),
        "states.pkl": (
            "pickle",
            _pickled([np.random.get_state(), np.random.default_rng(3), np.random.RandomState(1)]),
        ),
    }


def _torch() -> Group:
    import torch

    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    )
    transformer = torch.nn.TransformerEncoderLayer(8, 2, dim_feedforward=8)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(2, 3, 5, 5)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    states = {
        "model": model.state_dict(), "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(),
        "random": torch.get_rng_state(), "epoch": 3,
    }  # fmt: skip

    def script(path: Path) -> None:
        torch.jit.save(torch.jit.script(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())), path)

    def exported(path: Path) -> None:
        torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)

    def distributed(path: Path) -> None:
        from torch.distributed.checkpoint.state_dict_saver import save

        save({"model": model.state_dict(), "extra": {"epoch": 1}}, checkpoint_id=path.parent)

    def in_a_tar(path: Path) -> None:
        buffer = io.BytesIO()
        torch.save(states, buffer)
        with tarfile.open(path, "w:gz") as archive:
            info = tarfile.TarInfo("a.pt")
            info.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(info, buffer)

    def legacy(path: Path) -> None:
        torch.save(states, path, _use_new_zipfile_serialization=False)

    return {
        "states.pt": ("torch", lambda path: torch.save(states, path)),
        "states legacy.pt": ("torch", legacy),
        "whole model.pt": ("torch", lambda path: torch.save(model, path)),
        "whole transformer.pt": ("torch", lambda path: torch.save(transformer, path)),
        "whole lstm.pt": ("torch", lambda path: torch.save(torch.nn.LSTM(3, 4), path)),
        "optimizer.pt": ("torch", lambda path: torch.save(optimizer, path)),
        "types.pt": ("torch", lambda path: torch.save([torch.zeros(3, dtype=d) for d in _types()], path)),
        "sparse.pt": ("torch", lambda path: torch.save(torch.eye(3).to_sparse(), path)),
        "quantized.pt": ("torch", lambda path: torch.save(torch.quantize_per_tensor(torch.eye(2), 0.1, 0, torch.qint8), path)),
        "tensor.pkl": ("pickle", _pickled({"w": torch.arange(9.0)})),
        "script.pt": ("torchscript", script),
        "exported.pt2": ("text bytes", exported),
        "dcp/.metadata": ("dcp metadata", distributed),
        "in a tar.tar.gz": ("tar of torch", in_a_tar),
    }  # fmt: skip


def _types() -> list[Any]:
    import torch

    return [
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int8,
        torch.bool,
        torch.complex64,
        torch.float8_e4m3fn,
    ]


def _trainers() -> Group:
    import torch

    def arguments(path: Path) -> None:
        from transformers import TrainingArguments

        torch.save(TrainingArguments(output_dir="out", use_cpu=True, report_to=[]), path)

    def rng(path: Path) -> None:
        import numpy as np

        state = {
            "python": random.getstate(),
            "numpy": np.random.get_state(),
            "cpu": torch.random.get_rng_state(),
        }
        torch.save(state, path)

    def lightning(path: Path) -> None:
        import pytorch_lightning as pl

        class Net(pl.LightningModule):
            def __init__(self, width: int = 3) -> None:
                super().__init__()
                self.save_hyperparameters()
                self.layer = torch.nn.Linear(width, 1)

            def training_step(self, batch: Any, index: int) -> Any:
                del index
                return self.layer(batch[0]).sum()

            def configure_optimizers(self) -> Any:
                return torch.optim.Adam(self.parameters())

        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(4, 3)))
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=path.parent,
        )  # fmt: skip
        trainer.fit(Net(), data)
        trainer.save_checkpoint(path)

    def scaler(path: Path) -> None:
        torch.save(torch.amp.GradScaler("cpu").state_dict(), path)

    return {
        "training_args.bin": ("torch", arguments),
        "rng_state.pth": ("torch", rng),
        "lightning.ckpt": ("torch", lightning),
        "scaler.pt": ("torch", scaler),
    }


def _estimators() -> Group:
    import joblib
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import (
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    columns = ColumnTransformer([("scale", StandardScaler(), [0, 1])], remainder="passthrough")
    pipe = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(x, y)
    return {
        "pipeline.joblib": ("joblib", lambda path: joblib.dump(pipe, path) and None),
        "pipeline.pkl": ("pickle", _pickled(pipe)),
        "forest.joblib": ("joblib", lambda path: joblib.dump(RandomForestClassifier(5).fit(x, y), path, compress=3) and None),
        "boosting.joblib": ("joblib", lambda path: joblib.dump(GradientBoostingClassifier(n_estimators=3).fit(x, y), path) and None),
        "histogram.joblib": ("joblib", lambda path: joblib.dump(HistGradientBoostingClassifier(max_iter=3).fit(x, y), path) and None),
        "neighbours.pkl": ("pickle", _pickled(KNeighborsClassifier().fit(x, y))),
        "means.joblib": ("joblib", lambda path: joblib.dump(KMeans(2).fit(x), path, compress=("xz", 3)) and None),
        "machine.pkl": ("pickle", _pickled(SVC().fit(x, y), 2)),
        "words.joblib": ("joblib", lambda path: joblib.dump(TfidfVectorizer().fit(["one two", "two three"]), path) and None),
    }  # fmt: skip


def _texts() -> Group:
    chat = (
        "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16"}
    tokenizer = {
        "chat_template": chat,
        "tokenizer_class": "LlamaTokenizer",
        "added_tokens_decoder": {"0": {"content": "<unk>"}},
    }

    def tensors(path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        save_file(
            {"a": torch.arange(9), "b": torch.zeros(2, 2, dtype=torch.bfloat16)}, path, {"format": "pt"}
        )

    conf = "optimizer:\n  _target_: torch.optim.AdamW\n  lr: 1.0e-3\nname: ${now:%Y}\n"

    def written(text: str) -> Callable[[Path], Any]:
        return lambda path: path.write_text(text) and None

    return {
        "config.json": ("json", written(json.dumps(config))),
        "tokenizer_config.json": ("json", written(json.dumps(tokenizer))),
        "model.safetensors": ("safetensors", tensors),
        "conf.yaml": ("safe yaml", written(conf)),
        "readme.md": ("text", written("# A model\n\ncos and sin are used.\n")),
    }
