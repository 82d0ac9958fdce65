"""Row 8: native code that a run executes is still the file it was loaded from."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from veristep.drill.attack import Attack, family
from veristep.guard.env.mapping import Mapped, executable

SCRIPT = """
import ctypes, os, sys, time
ctypes.CDLL(sys.argv[1])
open("loaded", "w").close()
while not os.path.exists("stop"):
    time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("native")
    (folder / "native.c").write_text("int nothing(void) { return 0; }\n", encoding="utf-8")
    subprocess.run(["gcc", "-shared", "-o", folder / "native.so", folder / "native.c"], check=True)
    return (folder / "native.so").read_bytes()


@pytest.mark.parametrize("attack", family("mapped"), ids=lambda each: each.name)
def test_a_library_that_is_changed_while_it_is_in_use_is_named(
    desk: Desk, library: bytes, attack: Attack
) -> None:
    place = desk.folder / "site-packages/parts/native.so"
    place.parent.mkdir(parents=True)
    place.write_bytes(library)
    time.sleep(0.02)  # a change time of the past, on a clock that ticks every few milliseconds
    desk.look_at_environment()
    desk.write("script.py", SCRIPT)
    process = desk.start([sys.executable, "script.py", str(place)])
    desk.wait_for((desk.work / "loaded").exists)
    time.sleep(2.5)  # by then it was looked at
    path = attack.plant(desk.folder)
    (desk.work / "stop").touch()
    assert process.wait(30) == 0
    (finding,) = desk.findings(attack.rule)
    assert finding.evidence["path"] == str(path)
    assert {each.what: each.value for each in finding.suspects}["file"] == str(path)
    assert desk.checks()["mapped"]["processes"]["checked"] == 1


MAPS = """\
7f1-7f2 r-xp 00000000 fe:01 77 /usr/lib/libc.so.6
7f2-7f3 r--p 00001000 fe:01 77 /usr/lib/libc.so.6
7f3-7f4 rwxp 00000000 00:00 0
7f4-7f5 r-xs 00000000 00:01 9 /memfd:jit (deleted)
7f5-7f6 r-xp 00000000 fe:01 78 /home/a b/odd\\012name.so (deleted)
7f6-7f7 r-xp 00000000 00:00 0 [vdso]
7f7-7f8 r-xp 00002000 fe:01 77 /usr/lib/libc.so.6
"""


def test_only_files_that_are_executed_are_looked_at() -> None:
    device = (0xFE << 8) | 1
    assert executable(MAPS) == [
        Mapped("/usr/lib/libc.so.6", device, 77, deleted=False),
        Mapped("/home/a b/odd\nname.so", device, 78, deleted=True),
    ]


@given(st.text(max_size=300))
def test_whatever_stands_in_a_map_is_read_or_left_out(text: str) -> None:
    executable(text)


def test_the_map_of_a_real_process_names_its_interpreter() -> None:
    maps = Path("/proc/self/maps").read_text(encoding="utf-8")
    real = {each.path: each for each in executable(maps)}
    for path, each in real.items():
        if not each.deleted:
            assert Path(path).stat().st_ino == each.inode
    assert str(Path(sys.executable).resolve()) in real or any("libpython" in path for path in real)
