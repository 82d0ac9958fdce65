"""Row 11: what comes before a script is named where nothing was locked; ordinary ones raise no alarm."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from environments import look, make_environment, site_of
from veristep.core.verdicts import Finding, Severity
from veristep.drill.attack import Attack, family
from veristep.guard.env import environment_makers, layout, open_folder, owned, start_lines
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import File, Survey


def alarms(found: list[Finding]) -> list[Finding]:
    return [each for each in found if each.severity is not Severity.INFO]


@pytest.mark.parametrize("attack", family("preflight"), ids=lambda attack: attack.name)
def test_an_attack_is_named_where_nothing_was_locked(attack: Attack, tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    path = attack.plant(prefix)
    findings, _ = look(prefix, None, byte_code=False)
    mine = [e for e in alarms(findings) if e.rule == attack.rule and e.evidence.get("path") == str(path)]
    assert mine, [each.summary for each in findings]
    assert {"file", "owner", "changed"} <= {each.what for each in mine[0].suspects}
    others = [each.summary for each in alarms(findings) if each.rule != attack.rule]
    assert all("everybody" in each or str(path.parent) in each for each in others), others


def scene_of(executable: str) -> Scene:
    found = layout.of_executable(executable)
    files = {str(path): File("", "", 1) for folder in found.site for path in Path(folder).glob("*.pth")}
    return Scene(found, None, Survey(files))


def test_this_environment_raises_no_alarm() -> None:
    scene = scene_of(sys.executable)
    assert alarms([*start_lines.look(scene), *open_folder.look(scene)]) == []


@pytest.mark.parametrize("executable", [sys._base_executable, "/usr/bin/python3"])  # type: ignore[attr-defined]
def test_the_folders_of_an_installed_python_are_not_open(executable: str) -> None:
    if not Path(executable).exists():
        pytest.skip("there is none")
    assert alarms([*open_folder.look(scene_of(executable))]) == []


def listed(site: Path, name: str, text: str) -> Path:
    """Install a distribution that brings one more file."""
    path = site / name
    path.write_text(text, encoding="utf-8")
    info = site / "tools-1.0.dist-info"
    info.mkdir(exist_ok=True)
    with (info / "RECORD").open("a", encoding="utf-8") as file:
        file.write(f"{name},{owned._digest(str(path))},{len(text)}\n")
    return path


def test_a_finder_that_was_installed_is_ordinary(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    finder = "__editable___tools_1_0_finder"
    listed(site_of(prefix), f"{finder}.py", "def install(): ...\n")
    listed(site_of(prefix), "__editable__.tools-1.0.pth", f"import {finder}; {finder}.install()\n")
    findings, _ = look(prefix, None, byte_code=False)
    assert alarms(findings) == []


def test_a_line_that_a_distribution_brings_is_a_note_until_it_is_edited(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    path = listed(site_of(prefix), "tools.pth", "import os; os.environ.get('TOOLS')\n")
    findings, _ = look(prefix, None, byte_code=False)
    assert [each.severity for each in findings if each.rule == "ENV007"] == [Severity.INFO]
    path.write_text("import os; os.environ.get('T00LS')\n", encoding="utf-8")
    findings, _ = look(prefix, None, byte_code=False)
    assert [each.severity for each in findings if each.rule == "ENV007"] == [Severity.ERROR]


def test_a_checkout_on_the_path_may_stand_before_what_is_installed_of_it(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    work = tmp_path / "work"
    (work / "src/parts").mkdir(parents=True)
    (work / "src/parts/__init__.py").touch()
    (work / "pyproject.toml").write_text("[project]\nname = 'Parts'\n")
    variables = {"PYTHONPATH": str(work / "src")}
    findings, _ = look(prefix, None, byte_code=False, variables=variables)
    assert alarms(findings) == [], json.dumps([each.summary for each in findings])


def test_what_the_system_installed_has_an_owner_until_it_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "dist-packages"
    (site / "_distutils_hack").mkdir(parents=True)
    hack, start = site / "_distutils_hack/__init__.py", site / "distutils-precedence.pth"
    hack.write_text("def add_shim(): ...\n")
    start.write_text(
        "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
        "enabled and __import__('_distutils_hack').add_shim(); \n"
    )
    lists = tmp_path / "lists"
    lists.mkdir()
    rows = [f"{owned._md5(str(each))}  {str(each)[1:]}\n" for each in (hack, start)]
    (lists / "python3-tools.md5sums").write_text("".join(rows))
    monkeypatch.setattr(owned, "PACKAGE_LISTS", str(lists))
    monkeypatch.setattr(owned, "_SYSTEM", str(tmp_path))
    assert list(start_lines._by_record(str(start))) == []
    hack.write_text("import os\ndef add_shim(): ...\n")
    (note,) = start_lines._by_record(str(start))
    assert note.severity is Severity.ERROR


def test_what_a_maker_of_environments_leaves_is_ordinary_until_it_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, _ = make_environment(tmp_path)
    site = site_of(prefix)
    (site / environment_makers.START_FILE).write_text(environment_makers.LINE, encoding="utf-8")
    module = site / environment_makers.MODULE
    module.write_text("left = True\n", encoding="utf-8")
    known = frozenset({hashlib.sha256(module.read_bytes()).hexdigest()})
    monkeypatch.setattr(environment_makers, "_TEXTS", known)
    # In this process, not beside it: the texts that are really written are not ours to copy here.
    place = layout.of_executable(str(prefix / "bin/python"))
    path = str(site / environment_makers.START_FILE)
    scene = Scene(place, None, Survey({path: File("", "", 1)}))
    assert list(start_lines.look(scene)) == []
    module.write_text("left = False\n", encoding="utf-8")
    assert [each.severity for each in start_lines.look(scene)] == [Severity.ERROR]
