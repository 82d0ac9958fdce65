"""The gate in real processes: what it stops, wherever the load happens, and what it lets alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gated import Gated
from veristep.supervise.checks.load import DEFAULTS

# A payload that leaves a mark; `load(data)` loads it in the way the test is about.
HEAD = """
import os, pickle, sys
class Payload:
    def __reduce__(self):
        return os.system, ("echo fired >> mark",)
bad = pickle.dumps([1, Payload()])
good = pickle.dumps({"a": [1, 2.5, None], "b": {3}})
"""
WAYS = {
    "bytes": "pickle.loads(bad)",
    "a file": "open('bad.pkl', 'wb').write(bad); pickle.load(open('bad.pkl', 'rb'))",
    "the unpickler in Python": "pickle._loads(bad)",
    "a pickle in a pickle": "import io; pickle.loads(pickle.loads(pickle.dumps(bad)))",
    "a thread": (
        "import threading; t = threading.Thread(target=pickle.loads, args=(bad,)); t.start(); t.join()"
    ),
    "a fork": "os.waitpid(pid, 0) if (pid := os.fork()) else (pickle.loads(bad), os._exit(0))",
    "a subclass": "import io; type('Sub', (pickle.Unpickler,), {})(io.BytesIO(bad)).load()",
    "a finder that asks above": (
        "import io\nclass Sub(pickle.Unpickler):\n"
        "    def find_class(self, m, n): return super().find_class(m, n)\nSub(io.BytesIO(bad)).load()"
    ),
    "an extension code": (
        "import copyreg; copyreg.add_extension('posix', 'system', 7); "
        "pickle.loads(b'\\x80\\x02\\x82\\x07X\\x12\\x00\\x00\\x00echo fired >> mark\\x85R.')"
    ),
    "a dotted name": (
        "import json; pickle.loads(b'\\x80\\x04\\x8c\\x04json\\x8c\\x15codecs.builtins.print\\x93.')"
    ),
    "a command of Python 2": 'pickle.loads(b"c__builtin__\\neval\\n(S\'open(\\"mark\\", \\"w\\")\'\\ntR.")',
    "partial": (
        "import functools; pickle.loads(pickle.dumps(functools.partial(os.system, 'echo fired >> mark')))"
    ),
    "getattr": "pickle.loads(b'cbuiltins\\ngetattr\\n(cbuiltins\\nset\\nS\\'__class__\\'\\ntR.')",
    "swallowed": "\ntry: pickle.loads(bad)\nexcept Exception: pass",
    "by force": "\ntry: pickle.loads(bad)\nexcept BaseException: os.kill(os.getpid(), 9)",
}


@pytest.mark.parametrize("way", WAYS)
def test_code_in_a_pickle_does_not_run_however_it_is_loaded(gated: Gated, way: str) -> None:
    done = gated.python(HEAD + WAYS[way])
    assert not (gated.work / "mark").exists(), done.err
    rules = [(rule, refused) for rule, _name, refused in done.names()]
    assert ("LOAD001", True) in rules, (done.err, done.told)


def test_code_in_a_pickle_does_not_run_in_spawned_children(gated: Gated) -> None:
    spawn = """
def main():
    import multiprocessing
    child = multiprocessing.get_context("spawn").Process(target=pickle.loads, args=(bad,))
    child.start()
    child.join()
if __name__ == "__main__":
    main()
"""
    done = gated.python(HEAD + spawn)
    assert not (gated.work / "mark").exists(), done.err
    assert ("LOAD001", "posix.system", True) in done.names(), (done.err, done.told)


def test_what_fails_in_looking_for_the_file_does_not_undo_the_refusal(gated: Gated) -> None:
    failing = "from veristep.guard.load import artifact; artifact.find = lambda *_: 1 / 0;"
    done = gated.python(HEAD + failing + WAYS["a file"])
    assert not (gated.work / "mark").exists(), done.err
    assert ("LOAD001", "posix.system", True) in done.names(), (done.err, done.told)


def test_the_bytes_of_an_unpickler_that_is_kept_are_not_taken_for_those_of_the_load(gated: Gated) -> None:
    """Members of an enumeration may be reached by ``getattr``; what else may not, whatever is kept open."""
    kept = """
import gc
open('member.pkl', 'wb').write(b"cbuiltins\\ngetattr\\n(cre\\nRegexFlag\\nS'ASCII'\\ntR.")
kept = pickle.Unpickler(open('member.pkl', 'rb'))
print(kept.load())
gc.collect()
open('other.pkl', 'wb').write(b"cbuiltins\\ngetattr\\n(cbuiltins\\nset\\nS'__class__'\\ntR.")
pickle.load(open('other.pkl', 'rb'))
"""
    done = gated.python(HEAD + kept)
    assert done.out.strip() == "re.ASCII", done.err
    assert ("LOAD001", "builtins.getattr", True) in done.names(), (done.err, done.told)


def test_the_payloads_fire_where_no_gate_is(gated: Gated) -> None:
    done = gated.python(HEAD + WAYS["a file"], actions=dict.fromkeys(DEFAULTS, "off"))
    assert (gated.work / "mark").exists(), done.err


def test_what_is_only_recorded_is_told_and_runs(gated: Gated) -> None:
    done = gated.python(HEAD + WAYS["a file"], actions=dict.fromkeys(DEFAULTS, "record"))
    assert (gated.work / "mark").exists(), done.err
    assert ("LOAD001", "posix.system", False) in done.names()


def test_the_finding_names_file_digest_line_and_arguments(gated: Gated) -> None:
    from blake3 import blake3

    done = gated.python(
        HEAD + "open('bad.pkl', 'wb').write(bad)\nwith open('bad.pkl', 'rb') as f:\n    pickle.load(f)"
    )
    (told,) = [each for each in done.told if each["kind"] == "name"]
    path = gated.work / "bad.pkl"
    assert told["artifact"]["path"] == str(path)
    assert told["artifact"]["digest"] == f"blake3:{blake3(path.read_bytes()).hexdigest()}"
    assert told["artifact"]["status"]["uid"] == path.stat().st_uid
    assert told["file"] == str(gated.work / "script.py")
    assert told["line"] == HEAD.count("\n") + 3
    assert "echo fired" in told["arguments"]
    assert "RefusedLoad: refused to load" in done.err
    assert str(path) in done.err


def test_a_file_that_is_swapped_after_it_was_opened_is_named_by_the_bytes_that_were_read(
    gated: Gated,
) -> None:
    from blake3 import blake3

    swapping = """
open('bad.pkl', 'wb').write(bad)
file = open('bad.pkl', 'rb')
os.rename('bad.pkl', 'kept.pkl')
open('bad.pkl', 'wb').write(good)
pickle.load(file)
"""
    done = gated.python(HEAD + swapping)
    (told,) = [each for each in done.told if each["kind"] == "name"]
    read = (gated.work / "kept.pkl").read_bytes()
    assert told["artifact"]["digest"] == f"blake3:{blake3(read).hexdigest()}"


def test_ordinary_data_passes_without_a_word(gated: Gated) -> None:
    ordinary = """
import collections, datetime, decimal, pathlib, random, uuid
class Own:
    def __init__(self): self.x = 1
values = [good and pickle.loads(good), collections.OrderedDict(a=1), collections.Counter("aab"),
          collections.deque([1]), datetime.datetime.now(), decimal.Decimal("1.5"), pathlib.Path("x"),
          random.Random(3), uuid.uuid4(), Own(), Own, range(3), slice(1), frozenset({1}), 1j, ValueError()]
for protocol in range(6):
    for load in (pickle.loads, pickle._loads):
        load(pickle.dumps(values, protocol))
print("done")
"""
    done = gated.python(HEAD + ordinary)
    assert done.out == "done\n", done.err
    assert [each["kind"] for each in done.told] == ["gate", "needs"]  # its own class, for the profile


def test_pools_and_queues_hand_each_other_anything(gated: Gated) -> None:
    pools = """
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
def main():
    for how in ("fork", "spawn", "forkserver"):
        context = get_context(how)
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(os.path.basename, "a/b").result() == "b"
            assert pool.submit(os.system, "true").result() == 0
        with context.Pool(1) as pool:
            assert pool.map(os.path.basename, ["a/b"]) == ["b"]
        queue = context.Queue()
        queue.put(subprocess.run)
        assert queue.get() is subprocess.run
        with context.Manager() as manager:
            assert dict(manager.dict(a=1)) == {"a": 1}
    print("done")
if __name__ == "__main__":
    main()
"""
    done = gated.python(HEAD + pools)
    assert done.out == "done\n", done.err
    assert done.names() == []


def test_a_hook_that_keeps_ours_out_is_told_of(gated: Gated) -> None:
    early = """
import subprocess, sys
code = '''
import sys
def keeps_out(event, args):
    if event == "sys.addaudithook":
        raise RuntimeError
sys.addaudithook(keeps_out)
from veristep.guard.load import gate
gate.start(sys.argv[1])
'''
subprocess.run([sys.executable, "-I", "-c", code, sys.path[1]], check=True)
"""
    done = gated.python(early)
    gates = [each["stands"] for each in done.told if each["kind"] == "gate"]
    assert gates == [True, False], done.err


def test_the_gate_is_started_once(gated: Gated) -> None:
    done = gated.python(
        "import sitecustomize; from veristep.guard.load import gate; print(gate.start('x'), gate.stands())"
    )
    kind = "native" if gated.native else "python"
    assert done.out == f"{kind} True\n", done.err
    assert [each["kind"] for each in done.told] == ["gate"]


def test_the_gates_own_code_cannot_be_rewritten(gated: Gated) -> None:
    rewriting = """
from veristep.guard.load import gate, judging
def nothing(*_): return None
for function in (gate._Gate.unlisted, judging.unlisted):
    try:
        function.__code__ = nothing.__code__
    except RuntimeError as refused:
        print(type(refused).__name__)
"""
    done = gated.python(HEAD + rewriting)
    assert done.out == "RefusedLoad\n" * 2, done.err
    said = [each["reason"] for each in done.told if each["kind"] == "disturbed"]
    assert len(said) == 2
    assert all("script.py" in each for each in said)


def test_a_gate_that_was_taken_down_tells_of_it(gated: Gated) -> None:
    taken_down = """
from veristep.guard.load import gate, judging
judging.unlisted = lambda *_: None
gate._TRY_SECONDS = 0.0
import gc
for each in gc.get_objects():
    if type(each).__name__ == "_Gate":
        each._next_try = 0.0
for _ in range(2 * gate.TICK_EVENTS):
    sys.audit("nothing.at.all")
"""
    done = gated.python(HEAD + taken_down)
    said = [each["reason"] for each in done.told if each["kind"] == "disturbed"]
    assert said, done.err


def test_the_hook_costs_a_small_part_of_the_smallest_load(gated: Gated) -> None:
    # The promise is measured in bench/gate.py; here only that nothing is slow by a factor.
    timing = """
import time
data = pickle.dumps([complex(i) for i in range(2000)], 0)
def took():
    began = time.perf_counter()
    pickle.loads(data)
    return time.perf_counter() - began
print(min(took() for _ in range(30)))
"""
    with_us = float(gated.python(HEAD + timing).out)
    without = float(
        subprocess.run([sys.executable, "-c", HEAD + timing], capture_output=True, check=True).stdout
    )
    assert with_us < 5 * without


ACTS = {
    "a process, by an unlisted package": (
        "sys.modules['helper'] = m = type(sys)('helper')\n"
        "exec('import subprocess\\ndef run(c): subprocess.run(c, shell=True)', m.__dict__)\n"
        "pickle.loads(b'chelper\\nrun\\n(S\\'echo fired >> mark\\'\\ntR.')"
    ),
    "a file, by an unlisted package": (
        "sys.modules['helper'] = m = type(sys)('helper')\n"
        "exec('def run(c): open(c, chr(119))', m.__dict__)\n"
        "pickle.loads(b'chelper\\nrun\\n(S\\'mark\\'\\ntR.')"
    ),
    "a YAML tag": (
        "import yaml; yaml.unsafe_load('!!python/object/apply:os.system [\"echo fired >> mark\"]')"
    ),
    "a YAML tag that evaluates": (
        "import yaml; yaml.unsafe_load('!!python/object/apply:eval [\"open(\\'mark\\', \\'w\\')\"]')"
    ),
    "a YAML tag that starts a process": (
        "import yaml; yaml.unsafe_load('!!python/object/apply:subprocess.Popen [[touch, mark]]')"
    ),
}


@pytest.mark.parametrize("way", ACTS)
def test_what_a_load_does_not_need_does_not_happen(gated: Gated, way: str) -> None:
    done = gated.python(HEAD + ACTS[way])
    assert not (gated.work / "mark").exists(), done.err
    rules = [(each["rule"], each["refused"]) for each in done.told if each["kind"] == "act"]
    assert rules, (done.err, done.told)
    assert set(rules) == {("LOAD004", True)}


def test_what_is_done_after_a_load_or_by_own_code_is_not_the_loads(gated: Gated) -> None:
    after = """
import subprocess, yaml, collections, dataclasses
from fractions import Fraction
sys.modules['helper'] = m = type(sys)('helper')
m.Thing = type('Thing', (), {'__module__': 'helper'})
class Own:
    def __setstate__(self, state):
        open('own.log', 'a').close()
        subprocess.run(['true'])
for _ in range(3):
    pickle.loads(pickle.dumps([m.Thing(), Own()]))
    subprocess.run(['true'])
    open('log', 'a').close()
    yaml.safe_load('a: 1')
    os.system('true')
    exec('x = 1')
    namedtuple = collections.namedtuple('N', 'a b')
print(yaml.unsafe_load('!!python/object/apply:fractions.Fraction [1, 2]'))
"""
    done = gated.python(HEAD + after)
    assert done.out == "1/2\n", done.err
    assert [each["kind"] for each in done.told] == ["gate", "name", "needs"]
    assert done.names() == [("LOAD002", "helper.Thing", False)]


def test_what_workers_hand_each_other_may_open_files_and_a_load_leaves_nothing_behind(gated: Gated) -> None:
    # Installed loggers and data readers open their files again in the process that they were sent to.
    installed = gated.folder / "extra/site-packages"
    installed.mkdir(parents=True)
    (installed / "tool.py").write_text(
        "class Log:\n    def __setstate__(self, state): self.file = open('log', 'w')\n"
        "    def __getstate__(self): return {'x': 1}\n",
        encoding="utf-8",
    )
    script = """
import multiprocessing, pickle, subprocess, sys, tool
def work(log): print(log.file.name)
class Own: pass
def load(data): return pickle.loads(data)
def start(command): return subprocess.run(command, check=True)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=work, args=(tool.Log(),))
    child.start(); child.join()
    for _ in range(300):
        load(pickle.dumps(Own()))
        open("out", "w").close()
    start([sys.executable, "-c", ""])
    print("done")
"""
    done = gated.python(script, extra=str(installed))
    assert done.out == "log\ndone\n", done.err
    assert [each for each in done.told if each["kind"] == "act"] == []


@pytest.mark.parametrize("way", ["open", "gzip.open", "bz2.open", "lzma.open"])
def test_a_time_zone_passes_compressed_too_and_another_getattr_does_not(gated: Gated, way: str) -> None:
    script = f"""
import bz2, collections, gzip, lzma, pickle, zoneinfo
with {way}("zone", "wb") as file:
    pickle.dump([collections.deque([], None), zoneinfo.ZoneInfo("UTC"), 1], file, 4)
with {way}("zone", "rb") as file:
    print(pickle.load(file)[1])
with {way}("other", "wb") as file:
    file.write(b"cbuiltins\\ngetattr\\n(czoneinfo\\nZoneInfo\\nS'__init_subclass__'\\ntR.")
with {way}("other", "rb") as file:
    pickle.load(file)
"""
    done = gated.python(script)
    assert done.out == "UTC\n", done.err
    assert ("LOAD001", "builtins.getattr", True) in done.names()


def test_arrays_can_be_mapped_to_be_written(gated: Gated) -> None:
    script = "import numpy as np\nnp.save('a', np.zeros(3))\n"
    script += "np.load('a.npy', mmap_mode='r+')[0] = 1\nprint('ok')"
    done = gated.python(script)
    assert done.out == "ok\n", done.err
    assert [each for each in done.told if each["kind"] == "act"] == []


def test_importing_a_loader_for_the_first_time_is_no_load(gated: Gated) -> None:
    # The interpreter writes byte code of what a module imports, under a passing name, while it is imported.
    package = gated.folder / "extra/yaml"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("import subprocess, sys\n", encoding="utf-8")
    (package / "constructor.py").write_text("import yaml.helper\n", encoding="utf-8")
    loader = gated.folder / "extra/torch/package"
    loader.mkdir(parents=True)
    for place in (loader, loader.parent):
        (place / "__init__.py").touch()
    (loader / "reader.py").write_text("def read(): ...\n", encoding="utf-8")
    (loader / "package_importer.py").write_text("from torch.package import reader\n", encoding="utf-8")
    script = "import yaml.constructor, torch.package.package_importer\nprint('imported')"
    done = gated.python(script, extra=str(gated.folder / "extra"))
    assert done.out == "imported\n", done.err
    assert [each for each in done.told if each["kind"] == "act"] == []


def test_an_error_of_the_gate_is_told_and_reaches_nobody(gated: Gated) -> None:
    broken = """
import veristep.guard.load.judging as judging
judging.judge = None
class Odd: ...
sys.modules['helper'] = m = type(sys)('helper')
m.Thing = type('Thing', (), {'__module__': 'helper'})
print(len(pickle.loads(pickle.dumps([m.Thing(), m.Thing()]))))
"""
    done = gated.python(HEAD + broken)
    assert done.out == "2\n", done.err
    assert [each["kind"] for each in done.told] == ["gate", "failed"]


def test_many_own_classes_in_a_large_file_do_not_hold_up_the_load(gated: Gated) -> None:
    many = """
import time
for i in range(50):
    globals()[f"Own{i}"] = type(f"Own{i}", (), {"__module__": "__main__"})
data = pickle.dumps([globals()[f"Own{i}"]() for i in range(50)] + [bytes(64 << 20)])
open("large.pkl", "wb").write(data)
began = time.process_time()
with open("large.pkl", "rb") as file:
    pickle.load(file)
print(time.process_time() - began)
"""
    done = gated.python(HEAD + many)
    assert len([each for each in done.told if each["kind"] == "needs"]) == 50
    # Were the file digested for each of them, it would take seconds.
    assert float(done.out) < 0.8, done.out
