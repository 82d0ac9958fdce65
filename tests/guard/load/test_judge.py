"""What a name is taken for, by where it comes from: the table the gate decides by."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.guard.load import origin
from veristep.guard.load.judge import EXECUTES, EXPOSED, UNLISTED, Lists, judge
from veristep.guard.load.origin import Named, Origin
from veristep.guard.load.stack import Source
from veristep.guard.load.window import installed_prefixes
from veristep.scan import profiles

LISTS = Lists()


def ruled(module: str, name: str, source: Source = Source.ARTIFACT, root: str = "/nowhere") -> str:
    named = origin.of(module, name, root, installed_prefixes())
    return judge(source, named, LISTS).rule


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("builtins", "exec"),
        ("__builtin__", "eval"),
        ("__builtin__", "apply"),
        ("commands", "getoutput"),
        ("builtins", "getattr"),
        ("operator", "attrgetter"),
        ("timeit", "timeit"),
        ("runpy", "run_path"),
        ("pydoc", "pipepager"),
        ("ctypes", "CDLL"),
        ("idlelib.autocomplete", "AutoComplete"),
        ("lib2to3.pgen2.pgen", "ParserGenerator"),
        ("asyncio.unix_events", "_UnixSubprocessTransport"),
        ("torch.hub", "load"),
        ("torch.utils.collect_env", "run"),
        ("torch.jit.unsupported_tensor_ops", "execWrapper"),
        ("numpy.testing._private.utils", "runstring"),
        ("cloudpickle.cloudpickle", "_make_function"),
        ("pip._internal.cli.main", "main"),
        # Another name of the same thing, a module as a name, and a dotted way through one.
        ("json.decoder", "scanner"),
        ("hypothesis.core", "sys"),
        ("hypothesis.core", "sys.modules"),
    ],
)
def test_what_runs_code_is_execution(module: str, name: str) -> None:
    assert ruled(module, name) == EXECUTES


def test_a_thing_under_another_name_is_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import shutil

    monkeypatch.setattr(pytest, "harmless", os.system, raising=False)
    monkeypatch.setattr(pytest, "rm", shutil.rmtree, raising=False)
    assert ruled("pytest", "harmless") == EXECUTES
    assert ruled("pytest", "rm") == EXECUTES
    from collections import OrderedDict

    monkeypatch.setattr(pytest, "Ordered", OrderedDict, raising=False)
    assert ruled("pytest", "Ordered") == ""


def test_workers_hand_each_other_functions() -> None:
    assert ruled("os", "system", Source.WORKERS) == ""
    assert ruled("concurrent.futures.process", "_ResultItem", Source.WORKERS) == ""


def test_ranks_may_gather_classes_and_never_commands() -> None:
    assert ruled("os", "system", Source.COLLECTIVE) == EXECUTES
    assert ruled("somebody.classes", "Metric", Source.COLLECTIVE) == ""
    rendezvous = "torch.distributed.elastic.rendezvous.dynamic_rendezvous"
    assert ruled(rendezvous, "_RendezvousState", Source.COLLECTIVE) == "", (
        "torchrun starts no rank without it"
    )


def test_own_code_passes_and_an_unknown_package_is_told_of(tmp_path: Path) -> None:
    sys.path.insert(0, str(tmp_path))
    try:
        (tmp_path / "own_module_of_test.py").write_text("class Model: ...\n", encoding="utf-8")
        (tmp_path / "own_module_of_test.py").chmod(0o644)
        tmp_path.chmod(0o755)
        assert ruled("own_module_of_test", "Model", root=str(tmp_path)) == ""
        assert ruled("own_module_of_test", "Model") == UNLISTED
        tmp_path.chmod(0o777)
        assert ruled("own_module_of_test", "Model") == EXPOSED
        assert ruled("own_module_of_test", "Model", root=str(tmp_path)) == EXPOSED
        tmp_path.chmod(0o755)
        (tmp_path / "own_module_of_test.py").chmod(0o664)
        assert ruled("own_module_of_test", "Model") == EXPOSED
    finally:
        sys.path.remove(str(tmp_path))
    assert "own_module_of_test" not in sys.modules
    assert ruled("hypothesis", "given") == UNLISTED
    assert ruled("no_such_package_at_all", "x") == UNLISTED


def test_a_file_that_changed_since_the_run_began_is_not_the_one_on_record(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("", encoding="utf-8")
    path.chmod(0o644)
    tmp_path.chmod(0o755)
    changed = path.stat().st_ctime_ns
    assert origin._exposed(str(path), changed + 1) == ""
    assert "changed since the run began" in origin._exposed(str(path), changed - 1)


@given(st.sampled_from(sorted(profiles.load(profiles.EXECUTION))), st.sampled_from(list(Source)))
def test_nothing_that_executes_passes_in_an_artifact_however_it_was_imported(
    pair: tuple[str, str], source: Source
) -> None:
    module, name = pair
    named = Named(module, "anything" if name == "*" else name, Origin.OWN, loaded=True)
    expected = "" if source is Source.WORKERS else EXECUTES
    assert judge(source, named, LISTS).rule == expected


def test_no_list_has_a_name_that_another_calls_execution() -> None:
    execution = profiles.load(profiles.EXECUTION)
    for name in set(profiles.known()) - {profiles.EXECUTION, "compile_cache"}:
        assert profiles.load(name).isdisjoint(execution), name
