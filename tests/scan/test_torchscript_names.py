"""TorchScript code that hides what it calls, in ways that torch 2.13 runs, and code that only looks so."""

from __future__ import annotations

import pytest

from veristep.scan.formats import torchscript
from veristep.scan.looking import Item, Looking
from veristep.scan.names import known
from veristep.scan.seen import Outcome
from veristep.scan.source import Memory

HIDDEN = [
    'torch.save([x], "mark")',
    'torch . save ([x], "mark")',
    'torch.save\\\n([x], "mark")',
    'torch.\\\n  save([x], "mark")',
    '(torch).save([x], "mark")',
    'f = torch.save\nf([x], "mark")',
    'f : Any = torch.save\nf([x], "mark")',
    't = torch\nt.save([x], "mark")',
    'o = ops.aten\no.save([x], "mark")',
    'o = ops\np = o.aten\np.save([x], "mark")',
    'ops.aten.save([x], "mark")',
    'getattr(torch, "save")([x], "mark")',
    't = (torch)\ngetattr(t, "save")([x], "mark")',
    'getattr(ops.aten, "s\\x61ve")([x], "mark")',
    'z = \'a\' # "\ntorch.save([x], "mark")',
    'z = "\\""\ntorch.save([x], "mark")',
    'z = """a"b"""\ntorch.save([x], "mark")',
    'torch.from_file("mark", True, 10)',
    'ops.aten.from_file("mark", True, 10)',
    'torch.rpc_sync("other", "f", (x, ))',
    # A method of that name does not cover for the operator.
    'torch.save([x], "mark")\ndef save(self, x):\n  return x',
    't = torch\nt.save([x], "mark")\ndef save(self, x):\n  return x',
]
ORDINARY = [
    "_0 = torch.relu(x)",
    '_1 = getattr(self.layers, "0")',
    'ops.prim.RaiseException("call torch.save(x) first")',
    "# torch.save(x) is not called",
    "saved = torch.mul(x, x)\nself.saved = saved",
    '_2 = "a.save"',
    "y = uninitialized(Tensor)",
]


def outcome(code: str) -> list[Outcome]:
    scan = Looking(known(), lambda _scan, _item: "")
    torchscript.code(scan, Item(Memory(code.encode())))
    return [each.outcome for each in scan.notes.seen]


@pytest.mark.parametrize("code", HIDDEN)
def test_an_operator_that_writes_is_found_however_it_is_called(code: str) -> None:
    assert Outcome.DENY in outcome(code)


@pytest.mark.parametrize("code", ORDINARY)
def test_what_only_looks_so_is_let_be(code: str) -> None:
    assert set(outcome(code)) <= {Outcome.ALLOW}


def test_a_models_own_method_of_that_name_is_not_certain() -> None:
    assert outcome("return (self.writer).save(x, )\ndef save(self, x):\n  return x") == [Outcome.UNKNOWN]


@pytest.mark.parametrize("name", ["m/code/a.py", "m/CODE/A.PY", "code/x/y.Py"])
def test_code_is_found_without_regard_to_case_as_torch_finds_it(name: str) -> None:
    assert torchscript.is_code(name)
