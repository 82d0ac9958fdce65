"""Row 8: whatever a file looks like before and after, the code that really ran is compared with it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from desk import Desk
from veristep.core.verdicts import Finding
from veristep.drill.attack import Attack, family
from veristep.drill.executed import CLEAN

SCRIPT = """
import sys
sys.path.append(sys.argv[1])
import parts.core
print(parts.core.rate())
"""


def installed(desk: Desk) -> Path:
    folder = desk.folder / "installed"
    package = folder / "site-packages/parts"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "core.py").write_text(CLEAN, encoding="utf-8")
    # As installed some time ago: what is changed later has a later change time, by the kernel's clock.
    os.utime(package / "core.py", (1e9, 1e9))
    return folder


def train(desk: Desk, folder: Path, script: str = SCRIPT, cached: bool = True) -> tuple[str, list[Finding]]:
    """Run a script that uses the package; return what it printed, and what was found."""
    desk.look_at_environment()
    desk.write("script.py", script)
    path = str(folder / "site-packages")
    # Empty: byte code lies beside the sources, as with a launcher that sets it so.
    env = {"PYTHONPATH": path} | ({} if cached else {"PYTHONPYCACHEPREFIX": ""})
    done = desk.run([sys.executable, "script.py", path], env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip(), desk.findings("ENV040")


@pytest.mark.parametrize("attack", family("executed"), ids=lambda each: each.name)
def test_code_that_is_not_its_files_is_named(desk: Desk, attack: Attack) -> None:
    folder = installed(desk)
    path = attack.plant(folder)
    printed, found = train(desk, folder, cached=False)
    assert printed == "0.5"
    (finding,) = found
    assert finding.rule == attack.rule
    assert finding.evidence["path"] == str(path)
    pointed = {each.what: each.value for each in finding.suspects}
    assert pointed["file"] == str(path)
    if "sitecustomize" in attack.does or "finder" in attack.does:
        assert pointed["maker"] == str(folder / "site-packages/sitecustomize.py")


def test_exchanged_byte_code_does_nothing_where_the_private_cache_is_used(desk: Desk) -> None:
    folder = installed(desk)
    next(each for each in family("executed") if each.name == "exchanged byte code").plant(folder)
    assert train(desk, folder) == ("1.0", [])


def test_honest_imports_of_every_kind_are_covered_and_raise_nothing(desk: Desk) -> None:
    folder = installed(desk)
    script = (
        SCRIPT
        + """
import collections, dataclasses, importlib, json, multiprocessing, runpy, subprocess, typing
import asyncio, email.message, http.client, xml.dom.minidom
exec("x = 1")
dataclasses.make_dataclass("D", [("x", int)])
multiprocessing.get_context("fork").Process(target=importlib.import_module, args=("wave",)).start()
subprocess.run([sys.executable, "-O", "-m", "json.tool", "--help"], stdout=subprocess.DEVNULL)
runpy.run_path(parts.core.__file__)
"""
    )
    printed, found = train(desk, folder, script)
    assert printed == "1.0"
    assert found == []
    modules = desk.checks()["executed"]["modules"]
    assert modules["total"] == modules["checked"] > 100, modules


def test_show_says_what_was_covered_and_what_not(desk: Desk) -> None:
    train(desk, installed(desk))
    shown = desk.bare([sys.executable, "-m", "veristep.cli.main", "show"]).stdout.decode()
    assert re.search(r"^checks +\d+$", shown, re.M), shown
    assert re.search(r"^  executed: \d+ of \d+ modules$", shown, re.M), shown


def test_a_script_that_is_edited_while_it_runs_is_a_note(desk: Desk) -> None:
    folder = installed(desk)
    script = SCRIPT + "open('script.py', 'a').write('late = 1')\n"
    _, found = train(desk, folder, script)
    assert [(each.severity.value, each.evidence["path"]) for each in found] == [
        ("info", str(desk.work / "script.py"))
    ]


@pytest.mark.long
def test_a_training_with_trainers_imports_thousands_of_modules_and_raises_nothing(desk: Desk) -> None:
    script = "import sys, torch._dynamo, transformers.trainer, pytorch_lightning, sklearn.ensemble\n"
    desk.look_at_environment()
    desk.write("script.py", script)
    for _ in range(2):  # the second time, from what was compiled before
        done = desk.run([sys.executable, "script.py"], env={})
        assert done.returncode == 0, done.stderr
        assert desk.findings("ENV040") == []
    modules = desk.checks()["executed"]["modules"]
    assert modules["total"] == modules["checked"] > 3000, modules
