"""Row 9: whose code waits decides: one's own, a package's as brought, or nobody's."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.guard.process.sample import RUNNING, parse_call
from veristep.guard.process.waited import Frame, Wait, Whose, cause, culprit
from veristep.supervise.process.notes import Notes
from veristep.supervise.process.stalls import Stalls
from veristep.supervise.process.whose import Owners


def install(site: Path, name: str, text: str) -> Path:
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    info = site / f"{name.partition('/')[0]}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    with (info / "RECORD").open("a") as record:
        record.write(f"{name},sha256={digest},{len(text)}\n")
    return path


def test_a_file_is_its_packages_only_while_it_is_as_it_was_brought(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    brought, torch = install(site, "tools/nap.py", "import time\n"), install(site, "torch/sgd.py", "\n")
    edited = install(site, "torch/adam.py", "\n")
    edited.write_text("import time; time.sleep(1)\n")
    added = site / "tools/more.py"
    added.write_text("\n")
    own = tmp_path / "train.py"
    own.write_text("\n")
    cache = tmp_path / "cache/kp"
    owners = Owners([str(own)], ["/usr/lib/python3.11"], [str(tmp_path / "cache")])
    assert owners(str(brought)) is Whose.LIBRARY
    assert owners(str(torch)) is Whose.TORCH
    assert owners(str(edited)) is Whose.FOREIGN
    assert owners(str(added)) is Whose.FOREIGN
    assert owners(str(own)) is Whose.OWN
    assert owners(str(tmp_path / "other.py")) is Whose.FOREIGN
    assert owners(str(cache / "ckp.py")) is Whose.LIBRARY
    assert owners("/usr/lib/python3.11/threading.py") is Whose.STANDARD
    assert owners("<frozen importlib._bootstrap>") is Whose.STANDARD
    assert owners("<string>") is Whose.GENERATED


KINDS = {
    "s": Whose.STANDARD,
    "o": Whose.OWN,
    "l": Whose.LIBRARY,
    "t": Whose.TORCH,
    "f": Whose.FOREIGN,
    "g": Whose.GENERATED,
}


def stack(kinds: str, *, sleeps: bool = True) -> Wait:
    return Wait("clock_nanosleep", sleeps, 9, 9, tuple(Frame(kind, 1, "do") for kind in kinds))


@pytest.mark.parametrize(
    ("kinds", "sleeps", "found", "inside"),
    [
        ("fto", True, "f", True),  # a hook of torch's optimizer
        ("gto", True, "g", True),
        ("sfto", True, "f", True),
        ("fo", True, "f", False),  # a helper that the script calls
        ("fo", False, "", False),  # ... that waits for a file
        ("fto", False, "f", True),
        ("lfto", True, "f", True),  # a hook that has a library sleep
        ("lf", True, "", False),  # a training loop of unknown origin
        ("tf", True, "", False),
        ("o", True, "", False),
        ("so", True, "", False),
        ("to", True, "", False),
        ("tot", True, "", False),
        ("stf", False, "", False),
        ("ffto", True, "f", True),
        ("fot", True, "f", False),
        ("s", True, "", False),
        ("", True, "", False),
    ],
)
def test_who_is_to_blame(kinds: str, sleeps: bool, found: str, inside: bool) -> None:
    blamed = culprit(stack(kinds, sleeps=sleeps), KINDS.__getitem__)
    assert (blamed.frame.file if blamed else "") == found
    assert (blamed.inside if blamed else False) is inside


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("/x/torch/_dynamo/eval_frame.py", "compilation"),
        ("/x/torch/distributed/distributed_c10d.py", "waiting for other ranks"),
        ("/x/torch/utils/data/dataloader.py", "waiting for data"),
        ("/x/torch/serialization.py", "writing or reading a checkpoint"),
        ("/x/train.py", "waiting (futex) at /x/train.py:3"),
    ],
)
def test_what_a_stall_is_that_nobody_is_blamed_for(file: str, words: str) -> None:
    waits = [Wait("futex", False, 5, 1, (Frame(file, 3, "do"),))]
    assert cause(waits, [], 0.1, 0.0, 4.0) == words


def test_a_thread_that_got_no_processor_was_not_made_to_wait() -> None:
    assert "processors were taken" in cause([], [], 0.5, 3.0, 4.0)


def test_only_a_wait_for_nothing_but_time_is_a_sleep() -> None:
    calls = {230: "clock_nanosleep", 270: "pselect6", 271: "ppoll"}
    assert parse_call("running\n", calls).name == RUNNING
    assert parse_call("", calls).name == RUNNING
    assert parse_call("230 0x1 0x0 0x7f 0x0 0x0 0x0 0x7ffe 0x7f0c", calls).sleeps
    assert parse_call("270 0x0 0x0 0x0 0x0 0x7f 0x0 0x7ffe 0x7f0c", calls).sleeps
    assert not parse_call("270 0x5 0x7f 0x0 0x0 0x7f 0x0 0x7ffe 0x7f0c", calls).sleeps
    assert parse_call("271 0x7f 0x0 0x7f 0x0 0x0 0x0 0x7ffe 0x7f0c", calls).sleeps
    assert parse_call("-1 0x7ffe 0x7f0c", calls).name == "none"


@given(st.text(max_size=120))
def test_whatever_the_kernel_says_of_a_call_is_read(text: str) -> None:
    parse_call(text)


@given(st.lists(st.binary(max_size=60)))
def test_notes_are_read_whatever_they_hold(lines: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "waits"
        path.write_bytes(b"".join(line + b"\n" for line in lines) + b'{"half')
        notes = Notes(path)
        stalls = Stalls(Owners())
        for note in notes.new():
            try:
                stalls.hear(note)
            except (KeyError, TypeError, ValueError):
                continue
        assert notes.new() == []
