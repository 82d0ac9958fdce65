# ruff: noqa: E501 - scripts, a line each
"""Real packages that load and build: their honest use passes without a word, and attacks through them do not.

Each is skipped where its package is not installed; what small copies of the same shape show is in the
default set.
"""

from __future__ import annotations

import importlib.util

import pytest

from gated import Gated

HUB = "import json, os; os.environ.update(HF_HUB_OFFLINE='1', HF_HOME=os.path.abspath('hub'))\n"
KERAS = "import os; os.environ['KERAS_BACKEND'] = 'torch'\nimport keras, numpy as np\n"
MODEL = """
os.makedirs('m')
open('m/modeling_x.py', 'w').write('''
import os, torch
from transformers import PreTrainedModel, PretrainedConfig
from .helper_x import size
def act():
    BODY
class XConfig(PretrainedConfig):
    model_type = 'xx'
class X(PreTrainedModel):
    config_class = XConfig
    def __init__(self, c):
        super().__init__(c)
        INIT
        self.l = torch.nn.Linear(size, 2)
        self.post_init()
IMPORTED
''')
open('m/helper_x.py', 'w').write('size = 2')
auto = {'AutoConfig': 'modeling_x.XConfig', 'AutoModel': 'modeling_x.X'}
json.dump({'model_type': 'xx', 'auto_map': auto, 'architectures': ['X']}, open('m/config.json', 'w'))
import torch; from safetensors.torch import save_file
save_file({'l.weight': torch.ones(2, 2), 'l.bias': torch.ones(2)}, 'm/model.safetensors', {'format': 'pt'})
from transformers import AutoModel
AutoModel.from_pretrained('m', trust_remote_code=True)
print('done')
"""
REFUSED = "try: os.system('echo a > mark')\n    except RuntimeError: pass"
HONEST = {
    "keras": KERAS
    + """
m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation='relu'), keras.layers.Dense(1)])
m.compile('adam', keras.losses.MeanSquaredError())
m.fit(np.ones((8, 4)), np.ones((8, 1)), epochs=1, verbose=0)
m.save('m.keras'); m.save_weights('m.weights.h5'); m.save('m.h5')
keras.saving.load_model('m.keras').load_weights('m.weights.h5')
keras.models.load_model('m.h5').fit(np.ones((8, 4)), np.ones((8, 1)), epochs=1, verbose=0)
print('done')
""",
    "hydra": """
import logging, os, subprocess
import hydra, torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
os.makedirs('conf')
open('conf/config.yaml', 'w').write('''
model: {_target_: torch.nn.Linear, in_features: 2, out_features: 2}
optimizer: {_target_: torch.optim.SGD, _partial_: true, lr: 0.1}
log: {_target_: logging.FileHandler, filename: own.log}
folder: {_target_: os.makedirs, name: outdir, exist_ok: true}
path: {_target_: pathlib.Path, _args_: [x]}
''')
@hydra.main(config_path=os.path.abspath('conf'), config_name='config', version_base=None)
def main(cfg):
    made = {name: instantiate(cfg[name]) for name in cfg}
    made['optimizer'](made['model'].parameters())
    subprocess.run(['true'])
    print('done')
main()
""",
    "datasets": """
import datasets, torch
d = datasets.Dataset.from_dict({'a': list(range(10)), 'b': ['x'] * 10})
d.save_to_disk('d'); e = datasets.load_from_disk('d')
e = e.map(lambda r: {'c': r['a'] * 2}).filter(lambda r: r['a'] > 2)
e = e.map(lambda r: {'c': r['a'] * 2}, num_proc=2)
for batch in torch.utils.data.DataLoader(e.with_format('torch'), 2, num_workers=1): pass
print('done')
""",
    "jsonargparse": """
import jsonargparse, torch
p = jsonargparse.ArgumentParser()
p.add_subclass_arguments(torch.nn.Module, 'model')
p.add_argument('--config', action='config')
open('c.yaml', 'w').write(
    'model: {class_path: torch.nn.Linear, init_args: {in_features: 2, out_features: 2}}')
p.instantiate_classes(p.parse_args(['--config', 'c.yaml']))
print('done')
""",
    "transformers": HUB
    + """
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizerFast
c = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, vocab_size=30)
BertModel(c).save_pretrained('tiny')
open('vocab.txt', 'w').write('\\n'.join(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b']))
BertTokenizerFast('vocab.txt').save_pretrained('tiny')
AutoModel.from_pretrained('tiny'); AutoTokenizer.from_pretrained('tiny')
print('done')
""",
    "stable_baselines3": """
import gymnasium, numpy as np
from stable_baselines3.common.vec_env import SubprocVecEnv
class Env(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,), dtype=np.float32)
    action_space = gymnasium.spaces.Discrete(2)
    def reset(self, seed=None, options=None): return np.zeros(2, np.float32), {}
    def step(self, a): return np.zeros(2, np.float32), 1.0, True, False, {}
if __name__ == '__main__':
    v = SubprocVecEnv([lambda: Env()], start_method='spawn'); v.reset(); v.step([0]); v.close()
    a = gymnasium.vector.AsyncVectorEnv([lambda: Env()], context='spawn'); a.reset(); a.close()
    print('done')
""",
}


def needs(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.long
@pytest.mark.parametrize("package", HONEST)
def test_honest_use_of_a_package_is_not_told_of(gated: Gated, package: str) -> None:
    needs(package)
    done = gated.python(HONEST[package])
    assert done.out.endswith("done\n"), done.err
    assert [each for each in done.told if each["kind"] not in ("gate", "needs")] == []


@pytest.mark.long
def test_code_of_a_model_is_told_of_and_may_be_what_it_is(gated: Gated) -> None:
    needs("transformers")
    model = MODEL.replace("BODY", "pass").replace("INIT", "act()").replace("IMPORTED", "")
    done = gated.python(HUB + model)
    assert done.out.endswith("done\n"), done.err
    told = [each for each in done.told if each["kind"] != "gate"]
    assert [each["rule"] for each in told] == ["LOAD009"] * 2
    assert {each["act"].rpartition("/")[2] for each in told} == {"modeling_x.py", "helper_x.py"}


@pytest.mark.long
@pytest.mark.parametrize("when", ["INIT", "IMPORTED"])
def test_code_of_a_model_starts_no_process(gated: Gated, when: str) -> None:
    needs("transformers")
    model = MODEL.replace("BODY", REFUSED).replace(when, "act()")
    done = gated.python(HUB + model.replace("INIT", "pass").replace("IMPORTED", ""))
    assert done.out.endswith("done\n"), done.err
    assert not (gated.work / "mark").exists()
    (told,) = [each for each in done.told if each.get("rule") == "LOAD004"]
    assert told["refused"]
    assert told["artifact"]["path"].endswith("modeling_x.py")
    assert told["file"] == str(gated.work / "script.py")


TARGETS = {
    "os.system": "{_target_: os.system, _args_: ['echo a > mark']}",
    "eval": '{_target_: builtins.eval, _args_: [\'open("mark", "w")\']}',
    "Popen": "{_target_: subprocess.Popen, args: [touch, mark]}",
    "another name": "{_target_: torch.serialization.os.system, _args_: ['echo a > mark']}",
    "a package's own runner": "{_target_: torch.utils.collect_env.run, _args_: ['touch mark']}",
    "a package that evaluates": '{_target_: sympy.sympify, _args_: [\'open("mark", "w")\']}',
    "a file written": "{_target_: pathlib.Path.write_text, _args_: [{_target_: pathlib.Path, _args_: [mark]}, x]}",
    "a file opened": "{_target_: builtins.open, _args_: [mark, w]}",
    "a file copied": "{_target_: shutil.copy, _args_: [c.yaml, mark]}",
}


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_what_a_configuration_names_does_not_run(gated: Gated, target: str) -> None:
    needs("hydra")
    script = f"""
from hydra.utils import instantiate
from omegaconf import OmegaConf
open('c.yaml', 'w').write('''x: {TARGETS[target]}''')
try: instantiate(OmegaConf.load('c.yaml').x)
except Exception as error: print(type(error).__name__)
"""
    done = gated.python(script)
    # Newer versions refuse some of these by themselves.
    assert done.out == "InstantiationException\n", done.err
    assert not (gated.work / "mark").exists()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_a_lambda_in_a_model_does_not_run(gated: Gated, kind: str) -> None:
    needs("keras")
    script = f"""
layer = keras.layers.Lambda(lambda x: __import__('os').system('echo x > mark') or x)
keras.Sequential([keras.Input((4,)), layer]).save('f.{kind}')
os.path.exists('mark') and os.remove('mark')  # saving traces the layer
try: keras.models.load_model('f.{kind}', safe_mode=False)
except Exception as error: print(type(error).__name__)
"""
    done = gated.python(KERAS + script)
    assert done.out == "RefusedLoad\n", done.err
    assert not (gated.work / "mark").exists()
    assert ("LOAD004", True) in [(each.get("rule"), each.get("refused")) for each in done.told]


# Small packages with the modules and functions by which the real ones are known.
SMALL = {
    "multiprocess/connection.py": "import dill._dill\ndef recv(data): return dill._dill.loads(data)\n",
    "dill/_dill.py": "import pickle, io\nclass Unpickler(pickle._Unpickler): pass\n"
    "def load(file): return Unpickler(file).load()\ndef loads(data): return load(io.BytesIO(data))\n",
    "hydra/_internal/instantiate/_instantiate2.py": "def _call_target(_target_, *args): return _target_(*args)\n",
    "runner.py": "import os\ndef build(c): return os.system(c)\nbuild.__module__ = 'torch.utils.collect_env'\n"
    "build.__qualname__ = 'run'\ndef train(c): return os.system(c)\n",
    "vectors.py": "import pickle\nclass Wrapper:\n    def __init__(self, data): self.data = data\n"
    "    def __getstate__(self): return self.data\n"
    "    def __setstate__(self, data): self.thing = pickle.loads(data)\n",
}


def small(gated: Gated) -> str:
    installed = gated.folder / "extra/site-packages"
    for name, text in SMALL.items():
        path = installed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(installed)


def test_messages_read_by_dill_are_messages_and_its_files_are_files(gated: Gated) -> None:
    script = """
import collections, os, pickle
import dill._dill, multiprocess.connection, vectors
inner = pickle.dumps([os.system, collections.namedtuple])
message = pickle.dumps(vectors.Wrapper(inner))
print(multiprocess.connection.recv(message).thing[0].__name__)
for act in (lambda: dill._dill.loads(message), lambda: pickle.loads(message)):
    try: act()
    except RuntimeError as refused: print(type(refused).__name__)
"""
    done = gated.python(script, extra=small(gated))
    assert done.out == "system\nRefusedLoad\nRefusedLoad\n", done.err


def test_a_configuration_may_build_what_starts_processes_and_may_not_name_what_runs_anything(
    gated: Gated,
) -> None:
    script = """
import logging, os
from hydra._internal.instantiate._instantiate2 import _call_target
import runner
print(_call_target(runner.train, "true"))
_call_target(logging.FileHandler, "own.log")
for target, word in ((os.system, "echo a > mark"), (runner.build, "echo a > mark"), (eval, "open('mark', 'w')")):
    try: _call_target(target, word)
    except RuntimeError as refused: print(type(refused).__name__)
"""
    done = gated.python(script, extra=small(gated))
    assert done.out == "0\n" + "RefusedLoad\n" * 3, done.err
    assert not (gated.work / "mark").exists()


def test_code_that_came_with_a_model_starts_no_process_and_may_write(gated: Gated) -> None:
    script = """
import os, sys
os.makedirs("hub/transformers_modules/m")
sys.path.insert(0, "hub")
open("hub/transformers_modules/__init__.py", "w").close()
open("hub/transformers_modules/m/__init__.py", "w").close()
open("hub/transformers_modules/m/code.py", "w").write('''
import os
from dataclasses import dataclass
@dataclass
class Config: size: int = 2
def save(): open("vocabulary", "w").close(); eval("1 + 1")
def start(): os.system("echo a > mark")
try: os.system("echo a > mark")
except RuntimeError as refused: print(type(refused).__name__)
''')
from transformers_modules.m import code
code.save()
try: code.start()
except RuntimeError as refused: print(type(refused).__name__)
"""
    done = gated.python(script)
    assert done.out == "RefusedLoad\n" * 2, done.err
    assert not (gated.work / "mark").exists()
    told = [(each["rule"], each["artifact"]["path"].rpartition("/")[2]) for each in done.told[1:]]
    assert told[1:] == [("LOAD004", "code.py")] * 2
    assert told[0][0] == "LOAD009"
