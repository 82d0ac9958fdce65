"""What torch loads in C++ raises no event: it is judged before, and ordinary models pass without a word."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gated import Gated
from veristep.drill.load import torchscript as made
from veristep.guard.load import origin

ORDINARY = """
import io, warnings
warnings.simplefilter('ignore')
import torch
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
        self.rnn = torch.nn.LSTM(4, 4)
        self.attention = torch.nn.MultiheadAttention(4, 2)
    def forward(self, x, names: dict[str, int]):
        if x.shape[0] == 9: raise ValueError("torch.save(x) is not meant here; see ops.aten.save")
        for layer in self.layers: x = layer(x)
        y, _ = self.rnn(torch.ones(2, 1, 4))
        z, _ = self.attention(y, y, y)
        return x.sum() + z.mean() + names["a"]
net = Net().eval()
x = torch.rand(2, 1, 6, 6)
scripted = torch.jit.script(net)
scripted.save('s.pt')
torch.jit.trace(net, (x, {"a": torch.tensor(1)})).save('t.pt')
assert torch.jit.load('s.pt')(x, {"a": 1}) == scripted(x, {"a": 1})
torch.jit.load('t.pt'); torch.load('s.pt', weights_only=False)
torch.jit.load(io.BytesIO(open('s.pt', 'rb').read()))
torch.jit.load(open('s.pt', 'rb'), map_location='cpu', _extra_files={'x': ''})
for wrong in ('none.pt', '.'):
    try: torch.jit.load(wrong)
    except (ValueError, RuntimeError) as error: print(type(error).__name__)
open('cut.pt', 'wb').write(open('s.pt', 'rb').read()[:400])
try: torch.jit.load('cut.pt')
except RuntimeError as error: print(type(error).__name__)
class Shapes(torch.nn.Module):
    def forward(self, x, y): return torch.cat([x, y])[: x.shape[0] * 2 - 1]
sizes = {n: {0: torch.export.Dim(n, min=4, max=m)} for n, m in (('x', 100), ('y', 98))}
exported = torch.export.export(Shapes(), (torch.ones(8, 2), torch.ones(4, 2)), dynamic_shapes=sizes)
torch.export.save(exported, 'e.pt2')
torch.export.load('e.pt2').module()(torch.ones(6, 2), torch.ones(4, 2))
copy = torch.jit.freeze(torch.jit.script(torch.nn.Linear(2, 2).eval())); copy.save('f.pt')
torch.jit.load('f.pt')
print('done')
"""


@pytest.mark.long
def test_ordinary_models_pass_without_a_word(gated: Gated) -> None:
    done = gated.python(ORDINARY)
    assert done.out == "ValueError\nValueError\nRuntimeError\ndone\n", done.err
    assert [each for each in done.told if each["kind"] not in ("gate", "needs")] == []


@pytest.mark.long
def test_the_formulas_of_an_exported_program_are_formulas(gated: Gated) -> None:
    """Torch has sympy evaluate them, and sympy has Python do it."""
    script = """
import json, os, re, warnings, zipfile
warnings.simplefilter('ignore')
import torch
class Shapes(torch.nn.Module):
    def forward(self, x): return x[: x.shape[0] * 2 - 1]
sizes = {'x': {0: torch.export.Dim('a', min=4, max=100)}}
torch.export.save(torch.export.export(Shapes(), (torch.ones(8, 2),), dynamic_shapes=sizes), 'e.pt2')
whole = zipfile.ZipFile('e.pt2')
bad = ("__import__('os').system('touch mark')", "preview('x')", "(lambda: 1)()", "Symbol('x').__class__")
for formula in bad:
    with zipfile.ZipFile('f.pt2', 'w') as made:
        for name in whole.namelist():
            text = whole.read(name).decode('latin-1')
            if name.endswith('.json'):
                text = re.sub(r'"expr_str": "[^"]*"', lambda _: '"expr_str": ' + json.dumps(formula), text)
            made.writestr(name, text.encode('latin-1'))
    try: torch.export.load('f.pt2')
    except RuntimeError as error: print(type(error).__name__)
"""
    done = gated.python(script)
    assert done.out == "RuntimeError\n" * 4, done.err
    assert not (gated.work / "mark").exists()
    assert {(e["rule"], e["refused"]) for e in done.told if e["kind"] == "act"} == {("LOAD004", True)}


@pytest.mark.long
def test_a_model_that_one_compiled_oneself_is_loaded(gated: Gated) -> None:
    if not shutil.which("g++"):
        pytest.skip("no compiler")
    script = """
import torch
net = torch.nn.Linear(4, 2).eval()
with torch.no_grad():
    exported = torch.export.export(net, (torch.ones(1, 4),))
    path = torch._inductor.aoti_compile_and_package(exported, package_path='m.pt2')
    print(torch.allclose(torch._inductor.aoti_load_package(path)(torch.ones(1, 4)), net(torch.ones(1, 4))))
"""
    done = gated.python(script)
    assert done.out.endswith("True\n"), done.err
    assert [each for each in done.told if each["kind"] not in ("gate", "needs")] == []


@pytest.mark.long
def test_the_bytes_that_are_judged_are_those_that_are_loaded(gated: Gated) -> None:
    """The name is given to another file after the look: torch reads what was looked at."""
    gated.work.mkdir()
    made.archive(gated.work / "good.pt", "x = torch.relu(x)")
    made.archive(gated.work / "bad.pt", made.SAVES)
    script = f"""
{made.HEAD}
import os
from veristep.scan.formats import torchscript
from veristep.guard.load import judging
looked = torchscript.archive
def looks(scan, item):
    looked(scan, item)
    os.replace('bad.pt', 'good.pt')
torchscript.archive = looks
torch.jit.load('good.pt')(torch.ones(2))
print(os.path.exists('bad.pt'), os.path.exists('mark'))
"""
    assert gated.python(script).out == "False False\n"


@pytest.mark.long
def test_the_finding_names_file_line_and_digest_and_an_error_of_ours_stops_nothing(gated: Gated) -> None:
    from blake3 import blake3

    gated.work.mkdir()
    path = made.archive(gated.work / "bad.pt", "\n" + made.SAVES)
    script = f"""
{made.HEAD}
try: torch.jit.load('bad.pt')
except RuntimeError as refused: print(type(refused).__name__, 'line 8' in str(refused))
from veristep.scan.formats import torchscript
torchscript.archive = lambda *_: 1 / 0
torch.jit.load('bad.pt')
print('loaded')
"""
    done = gated.python(script)
    assert done.out == "RefusedLoad True\nloaded\n", done.err
    told = {each["kind"]: each for each in done.told}
    assert told["act"]["artifact"]["path"] == str(path)
    assert told["act"]["artifact"]["digest"] == f"blake3:{blake3(path.read_bytes()).hexdigest()}"
    assert told["act"]["line"] == script.count("\n", 0, script.index("try:")) + 1
    assert "ZeroDivisionError" in told["failed"]["reason"]


def test_a_library_that_others_can_write_is_not_loaded_and_ones_own_is(gated: Gated) -> None:
    script = """
import _socket, ctypes, os, shutil
shutil.copyfile(_socket.__file__, 'own.so')
os.makedirs('shared'); os.chmod('shared', 0o777)
shutil.copyfile(_socket.__file__, 'shared/a.so')
ctypes.CDLL(os.path.abspath('own.so')); ctypes.CDLL(None); ctypes.CDLL('libc.so.6')
try: ctypes.CDLL(os.path.abspath('shared/a.so'))
except RuntimeError as refused: print(type(refused).__name__)
"""
    done = gated.python(script)
    assert done.out == "RefusedLoad\n", done.err
    (told,) = [each for each in done.told if each.get("rule")]
    assert (told["rule"], told["artifact"]["path"]) == ("LOAD011", str(gated.work / "shared/a.so"))


def test_a_group_of_ones_own_is_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.so"
    path.touch()
    path.chmod(0o664)
    tmp_path.chmod(0o755)
    monkeypatch.setattr(origin, "_alone", lambda _group: False)
    assert "others can write the file" in origin.exposed_file(str(path))
    monkeypatch.setattr(origin, "_alone", lambda _group: True)
    assert origin.exposed_file(str(path)) == ""
    path.chmod(0o666)
    assert "others can write the file" in origin.exposed_file(str(path))
