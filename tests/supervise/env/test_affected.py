"""Already affected: a finding about a file names the other runs that executed what stands there."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from veristep.core.verdicts import Finding
from veristep.errors import MalformedError
from veristep.guard.rule import Rule
from veristep.ledger.log import Ledger
from veristep.supervise.env import affected, imports
from veristep.supervise.env.affected import Affected
from veristep.supervise.env.imports import Build, Imports

RULE = Rule("ENV001", "a test")
SCRIPT = "import sys\nsys.path.insert(0, sys.argv[1])\nfor each in sys.argv[2:]: __import__(each)\n"


def site(desk: Desk) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = desk.folder / f"venv/lib/python{version}/site-packages"
    place.mkdir(parents=True)
    (place / "edited.py").write_text("STEP = 1.0\n")
    (place / "other.py").write_text("OTHER = 1\n")
    # What is executed is noted; the thousands of installed files are not looked at.
    desk.write("veristep.toml", '[rules]\nENV = "off"\nENV040 = "alert"\n')
    desk.write("script.py", SCRIPT)
    return place


def run(desk: Desk, place: Path, *modules: str) -> str:
    done = desk.run([sys.executable, "script.py", str(place), *modules])
    assert done.returncode == 0, done.stderr
    with Ledger.open(desk.ledger) as ledger:
        return list(ledger.entries(kind="run.opened"))[-1].run


def told(desk: Desk, path: Path, run: str = "") -> dict[str, str]:
    with Ledger.open(desk.ledger) as ledger:
        (found,) = Affected(ledger, run).named([RULE.finding("edited", path=str(path))])
    return {each.how_known: each.value for each in found.suspects}


def test_runs_that_executed_the_edited_file_are_told_from_those_that_did_not(desk: Desk) -> None:
    place = site(desk)
    before = run(desk, place, "edited", "other")
    (place / "edited.py").write_text("STEP = 0.5\n")
    hit = run(desk, place, "edited")
    spared = run(desk, place, "other")
    said = told(desk, place / "edited.py")
    assert said[affected.RAN] == hit
    assert said[affected.BEFORE] == "1 runs"
    assert before not in said[affected.RAN]
    assert spared not in str(said)
    # The run that asks is no other run.
    assert affected.RAN not in told(desk, place / "edited.py", run=hit)
    # Who changes the times of the file changes nothing of what ran.
    os.utime(place / "edited.py", (1e9, 1e9))
    assert told(desk, place / "edited.py")[affected.RAN] == hit
    (place / "edited.py").unlink()
    assert told(desk, place / "edited.py")[affected.WAS_THERE] == ", ".join(sorted([before, hit]))


def test_a_finding_during_a_run_names_the_runs_before_it(desk: Desk) -> None:
    place = site(desk)
    (place / "edited.py").write_text("STEP = 0.5\n")
    first = run(desk, place, "edited")
    # What is installed is edited while it is in use: the finding of that run names the one before.
    puts = "import os, pathlib\npathlib.Path(__file__).write_text('STEP = 0.5\\n')\n"
    (place / "edited.py").write_text(puts)
    second = run(desk, place, "edited")
    (finding,) = desk.findings("ENV040")
    assert finding.run == second
    assert [each.value for each in finding.suspects if each.how_known == affected.RAN] == [first]


def test_a_library_names_the_runs_that_mapped_it(desk: Desk) -> None:
    import _struct

    place = site(desk)
    library = place / "lib_edited.so"
    library.write_bytes(Path(_struct.__file__).read_bytes())
    (place / "edited.py").write_text(
        f"import ctypes, time\nctypes.CDLL({str(library)!r})\ntime.sleep(2.5)\n"
    )
    first = run(desk, place, "edited")
    assert told(desk, library)[affected.MAPPED] == first
    replaced = library.with_suffix(".new")
    replaced.write_bytes(library.read_bytes() + b"\0")
    replaced.rename(library)
    assert told(desk, library) == {affected.BEFORE_LIBRARY: "1 runs"}


def test_of_a_run_that_says_nothing_of_its_imports_only_its_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "venv/lib/python3.11/site-packages"
    place.mkdir(parents=True)
    for name in ("edited.py", "table.json", "start.pth"):
        (place / name).write_text("1\n")
    monkeypatch.setattr(affected, "_uses", lambda _log, prefix: prefix == str(tmp_path / "venv"))
    time.sleep(0.02)
    with Ledger.open(tmp_path / "ledger", create=True) as ledger:
        from veristep.ledger.entries import Draft

        ledger.append(Draft("run.opened", {}, "run-1", "p"))
        found = Affected(ledger).named(
            [RULE.finding("x", path=str(place / each)) for each in ("edited.py", "table.json", "start.pth")]
        )
    hows = [[(each.how_known, each.value) for each in one.suspects] for one in found]
    assert hows == [
        [(affected.NOT_KNOWN, "run-1")],
        [(affected.NOT_IMPORTED, "run-1")],
        [(affected.AT_START, "run-1")],
    ]


def test_findings_about_data_and_folders_are_left_as_they_are(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger", create=True) as ledger:
        findings = [
            Finding("DATA001", RULE.severity, "x", evidence={"path": "/x.py"}),
            RULE.finding("y", path=str(tmp_path)),
            RULE.finding("z"),
        ]
        assert Affected(ledger).named(findings) == findings


paths = st.text(st.characters(exclude_characters="\0"), max_size=20)
digests = st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=2)
builds = st.builds(Build, st.text(max_size=5), st.integers(0, 2))


@given(
    st.dictionaries(builds, st.dictionaries(paths, digests, max_size=3), max_size=2),
    st.dictionaries(paths, st.text("0123456789 ", max_size=9), max_size=3),
)
def test_what_is_put_on_record_is_read_again(
    modules: dict[Build, dict[str, set[str]]], libraries: dict[str, str]
) -> None:
    found = imports.from_bytes(Imports(modules, libraries).to_bytes())
    assert (found.modules, found.libraries) == (modules, libraries)


@given(st.binary(max_size=80), st.integers(0, 400))
def test_what_is_not_a_record_of_imports_is_refused(data: bytes, cut: int) -> None:
    good = Imports({Build("3", 0): {"/a.py": {"0" * 32}}}, {"/b.so": "1"}).to_bytes()
    for each in (data, good[: min(cut, len(good) - 1)], good[:-5] + data):
        if each != good:
            with pytest.raises(MalformedError):
                imports.from_bytes(each)
