"""An environment that is what was published raises nothing; each attack on one is found, at its file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from environments import look, make_environment, site_of
from veristep.core.checks import judge
from veristep.core.verdicts import Severity, Verdict
from veristep.drill.attack import Attack, family
from veristep.guard.env import console_script, debian, layout, preflight, survey
from veristep.guard.env.console_script import is_as_generated
from veristep.guard.env.scene import Scene
from veristep.guard.env.survey import File, Survey

ATTACKS = family("env")


def test_an_environment_as_it_was_published_raises_nothing(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    findings, coverage = look(prefix, reference, byte_code=False)
    assert findings == []
    assert coverage["files"].checked == coverage["files"].total > 10
    assert coverage["distributions"].checked == 2


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_found_by_its_rule_at_its_file(attack: Attack, tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    path = attack.plant(prefix)
    cached = attack.rule in ("ENV004", "ENV005") or "__pycache__" in str(path)
    findings, _ = look(prefix, reference, byte_code=cached)
    mine = [
        each for each in findings if each.rule == attack.rule and each.evidence.get("path") == str(path)
    ]
    assert mine, [each.summary for each in findings]
    # That files are shared with a cache is a note: uv does it.
    assert mine[0].severity is not Severity.INFO or attack.name == "second name of a module"
    assert {"file", "owner", "changed"} <= {each.what for each in mine[0].suspects}
    others = [each for each in findings if each.rule != attack.rule and each.severity is Severity.ERROR]
    assert all(str(path) in each.summary for each in others), [each.summary for each in others]
    assert site_of(prefix).exists()


def test_the_systems_own_python_is_compared_with_its_packages(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    module = site_of(prefix) / "parts/core.py"
    # A list that says what stands there, then what does not.
    name = f"usr/lib/python3{module}"
    lists, root = tmp_path / "lists", tmp_path / "root/"
    lists.mkdir()
    root_text = f"{root}/"
    scene = Scene(layout.of_folder(prefix), reference, Survey({f"{root_text}{name}": File("", "", 1)}))
    other = root / name
    other.parent.mkdir(parents=True)
    other.write_bytes(module.read_bytes())
    digest = hashlib.md5(module.read_bytes(), usedforsecurity=False).hexdigest()
    (lists / "python3-parts.md5sums").write_text(f"{digest}  {name}\n")
    assert list(debian.look(scene, str(lists), root_text)) == []
    other.write_text("else")
    (found,) = debian.look(scene, str(lists), root_text)
    assert found.rule == "ENV018"
    assert "python3-parts" in found.summary


def test_what_is_remembered_is_read_again_when_the_memory_was_edited(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    look(prefix, reference, byte_code=False)
    memory = tmp_path / "memory"
    data = bytearray(memory.read_bytes())
    for at in range(0, len(data), max(1, len(data) // 50)):
        changed = bytearray(data)
        changed[at] ^= 1
        memory.write_bytes(changed)
        assert survey.recall(memory, b"a secret").files == {}
    memory.write_bytes(data)
    assert survey.recall(memory, b"a secret").files
    assert survey.recall(memory, b"another").files == {}


def test_without_a_reference_nothing_is_called_checked_and_nothing_raises_an_alarm(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    findings, coverage = look(prefix, None, byte_code=False)
    assert {each.severity for each in findings} <= {Severity.INFO}
    assert judge(coverage, findings).verdict is Verdict.NOT_COVERED


def test_installed_console_scripts_of_all_installers_are_known() -> None:
    forms = console_script._forms("a.b", "main")
    assert all(is_as_generated(b"#!/x\n" + each.encode(), "a.b:main") for each in forms)
    assert not is_as_generated(b"#!/x\nimport os\n" + forms[0].encode(), "a.b:main")
    assert not is_as_generated(b"#!/x\n" + forms[0].encode(), "a.b:other")


def test_an_unpublished_distribution_that_joins_a_published_namespace_is_named(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    (site_of(prefix) / "space/two.py").write_text("TWO = 2\n")
    *others, mine = reference.distributions
    digest = survey.digest(str(site_of(prefix) / "space/two.py"))
    joined = replace(mine, files={**mine.files, "space/two.py": digest})
    findings, _ = look(prefix, replace(reference, distributions=(*others, joined)), byte_code=False)
    assert [(each.rule, each.severity) for each in findings] == [("ENV019", Severity.WARNING)]
    assert "mine 1.0" in findings[0].summary


def test_byte_code_of_two_folders_is_no_namespace_that_they_share(tmp_path: Path) -> None:
    prefix, _ = make_environment(tmp_path)
    for folder in (site_of(prefix), tmp_path / "work"):
        (folder / "__pycache__").mkdir(parents=True, exist_ok=True)
        (folder / "__pycache__/some.cpython-311.pyc").touch()
    findings, _ = look(prefix, None, byte_code=False, script_folder=str(tmp_path / "work"))
    assert [each for each in findings if each.rule == "ENV019"] == []


def test_a_folder_of_ones_own_beside_the_script_raises_no_alarm(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    (tmp_path / "work/space").mkdir(parents=True)
    (tmp_path / "work/space/mine.py").touch()
    (tmp_path / "work/other").mkdir()
    (tmp_path / "work/other/x.py").touch()
    asked = {"byte_code": False, "script_folder": str(tmp_path / "work")}
    findings, _ = look(prefix, reference, **asked)
    assert {(each.rule, each.severity) for each in findings} == {("ENV019", Severity.INFO)}


def test_a_file_that_two_distributions_bring_may_be_as_either_has_it(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    parts, *others = reference.distributions
    other = replace(parts, name="partsx", files={**parts.files, "parts/core.py": "0" * 64})
    for both in ((parts, other), (other, parts)):
        made = replace(reference, distributions=(*both, *others))
        assert look(prefix, made, byte_code=False)[0] == []
        (site_of(prefix) / "parts/core.py").touch()
    (site_of(prefix) / "parts/core.py").write_text("STEP = 0.5\n")
    findings, _ = look(prefix, replace(reference, distributions=(parts, other, *others)), byte_code=False)
    assert [each.rule for each in findings] == ["ENV001"]


def test_a_missing_list_of_a_published_distribution_is_a_note(tmp_path: Path) -> None:
    prefix, reference = make_environment(tmp_path)
    (site_of(prefix) / "parts-1.0.dist-info/RECORD").unlink()
    findings, coverage = look(prefix, reference, byte_code=False)
    assert [(each.rule, each.severity) for each in findings] == [("ENV022", Severity.INFO)]
    assert coverage["files"].checked == coverage["files"].total


def test_a_week_is_counted_from_a_reading_of_every_byte_that_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, reference = make_environment(tmp_path)
    look(prefix, reference, byte_code=False)
    memory, secret = tmp_path / "memory", b"a secret"
    first = survey.recall(memory, secret)
    # A later look keeps the time; one that died before its end leaves no trace of having begun.
    (site_of(prefix) / "parts/lazy.py").touch()
    look(prefix, reference, byte_code=False)
    assert survey.recall(memory, secret).full_ns == first.full_ns > 0
    week = survey.FULL_NS
    assert not first.is_old(first.full_ns + week)
    assert first.is_old(first.full_ns + week + 1)
    assert first.is_old(first.full_ns - 1)
    assert survey.Memory().is_old(first.full_ns)
    monkeypatch.setattr(survey, "FULL_NS", -1)
    answered = preflight.answer_to(
        {
            "executable": str(prefix / "bin/python3"),
            "memory": str(memory),
            "secret": secret.hex(),
            "variables": {},
            "full": False,
            "byte_code": False,
            "seconds": 1,
        },
        reference,
    )
    assert answered["read"] == answered["files"]


def test_nothing_to_remember_is_remembered(tmp_path: Path) -> None:
    survey.remember(tmp_path / "memory", Survey({}), b"k", 5)
    found = survey.recall(tmp_path / "memory", b"k")
    assert found.full_ns == 5
    assert found.files.get("/x") is None
