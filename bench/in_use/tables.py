"""Tables, estimators and arrays as people keep them, and a training on them."""

import json
import logging
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

logging.basicConfig(level=logging.INFO)
out = Path("out")
out.mkdir(exist_ok=True)

X, y = make_classification(400, 12, random_state=0)
frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(12)]).assign(
    label=y,
    when=pd.date_range("2024-01-01", periods=400, freq="h", tz="Europe/Berlin"),
    group=pd.Categorical(np.where(y, "a", "b")),
)
frame.to_csv(out / "table.csv", index=False)
frame.to_pickle(out / "table.pkl.gz")
again = pd.read_pickle(out / "table.pkl.gz")
assert again.groupby("group", observed=True)["x0"].mean().shape == (2,)

pipeline = make_pipeline(StandardScaler(), LogisticRegression())
search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, n_jobs=2, cv=3).fit(X, y)
joblib.dump(search, out / "search.joblib", compress=3)
print("grid", joblib.load(out / "search.joblib").score(X, y))
for model in (RandomForestClassifier(20, random_state=0), HistGradientBoostingClassifier(max_iter=10)):
    (out / "model.pkl").write_bytes(pickle.dumps(model.fit(X, y)))
    print("model", pickle.loads((out / "model.pkl").read_bytes()).score(X, y))

np.savez(out / "arrays.npz", X=X, names=np.array(["a", None, {"b": 1}], dtype=object))
assert np.load(out / "arrays.npz", allow_pickle=True)["names"][2] == {"b": 1}


def square(value):
    return value * value


with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(square, range(8))[3] == 9
print(
    "git", subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.strip()
)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))

    def forward(self, x):
        return self.body(x)


torch.manual_seed(0)
data = torch.utils.data.TensorDataset(torch.from_numpy(X).float(), torch.from_numpy(y))
net = Net()
optimizer = torch.optim.AdamW(net.parameters())
for inputs, labels in torch.utils.data.DataLoader(data, 32, shuffle=True, num_workers=2):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(net(inputs), labels).backward()
    optimizer.step()
rng = {"torch": torch.get_rng_state(), "numpy": np.random.get_state()}
torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "rng": rng}, out / "last.pt")
torch.load(out / "last.pt", weights_only=False)
torch.save(net, out / "whole.pt")
torch.load(out / "whole.pt", weights_only=False)
(out / "done.json").write_text(json.dumps({"python": sys.version}))
