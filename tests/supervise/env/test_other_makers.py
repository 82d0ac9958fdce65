"""Environments of conda, of the system, of uv: what their own lists say, and never more than that."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.core.verdicts import Severity, Verdict
from veristep.guard.env import conda_list, dpkg, layout
from veristep.ledger.log import Ledger
from veristep.supervise.env import checking, distributions, locking, other_makers

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Ledger.open(tmp_path / "ledger", create=True) as opened:
        yield opened


@pytest.fixture
def conda(tmp_path: Path) -> Path:
    """A prefix as conda lays it out: no pyvenv.cfg, a standard library of its own, a list per package."""
    prefix = tmp_path / "conda"
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    library = base.parent.parent / f"lib/python{VERSION}"
    skipped = shutil.ignore_patterns(
        "site-packages",
        "dist-packages",
        "test",
        "__pycache__",
        "lib2to3",
        "idlelib",
        "ensurepip",
        "config-*",
    )
    shutil.copytree(library, prefix / f"lib/python{VERSION}", symlinks=True, ignore=skipped)
    (prefix / "bin").mkdir()
    # conda's interpreter is a file of the environment; this one needs its own installation to start.
    (prefix / "bin/python3").write_text(f'#!/bin/sh\nexec {base} "$@"\n')
    (prefix / "bin/python3").chmod(0o755)
    (prefix / f"bin/python{VERSION}").symlink_to("python3")
    site = f"lib/python{VERSION}/site-packages"
    files = {
        f"{site}/six.py": "SIX = 6\n",
        f"{site}/six-1.16.0.dist-info/METADATA": "Name: six\nVersion: 1.16.0\n",
        f"{site}/six-1.16.0.dist-info/RECORD": "six.py,,\nsix-1.16.0.dist-info/INSTALLER,,\n",
        f"{site}/six-1.16.0.dist-info/INSTALLER": "conda",
    }
    standard = [
        str(path.relative_to(prefix))
        for path in (prefix / f"lib/python{VERSION}").rglob("*.py")
        if path.is_file()
    ]
    listed(prefix, "six-1.16.0-pyh6c4a22f_1", files)
    native = {"lib/libz.so.1": "\x7fELF zlib", "include/zlib.h": "/* */"}
    listed(prefix, "zlib-1.2.13-h5eee18b_0", native, prefixed=("lib/libz.so.1",))
    listed(prefix, f"python-{VERSION}.7-h955ad1f_0", dict.fromkeys(standard))
    (prefix / "conda-meta/history").write_text("==> 2024-01-01 00:00:00 <==\n")
    return prefix


def listed(
    prefix: Path, stem: str, files: Mapping[str, str | None], prefixed: tuple[str, ...] = ()
) -> None:
    """Write files, and conda's list of them: the package's digest, and that of what was written here."""
    paths = []
    for name, text in files.items():
        path = prefix / name
        if text is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        record = {"_path": name, "path_type": "hardlink", "sha256": digest, "sha256_in_prefix": digest}
        if name in prefixed:
            record |= {"sha256": "0" * 64, "prefix_placeholder": "/opt/placehold", "file_mode": "binary"}
        paths.append(record)
    paths.append({"_path": f"lib/{stem}.link", "path_type": "softlink", "sha256": "1" * 64})
    compiled = {"_path": f"lib/{stem}.pyc", "path_type": "pyc_file"}
    name, version, build = stem.rsplit("-", 2)
    value = {
        "name": name,
        "version": version,
        "build": build,
        "channel": "https://conda.invalid/main/linux-64",
        "files": [str(each["_path"]) for each in paths],
        "paths_data": {"paths": [*paths, compiled], "paths_version": 1},
        "link": {"source": "/opt/pkgs/x", "type": 1},
    }
    place = prefix / f"conda-meta/{stem}.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(value))


def test_a_conda_environment_is_unverified_and_compared_with_condas_lists(
    ledger: Ledger, conda: Path
) -> None:
    found = layout.of_folder(conda)
    assert not found.virtual
    # Without a reference, conda's own lists are asked all the same.
    result, _ = checking.check(ledger, found, byte_code=False)
    assert result.coverage["files (by conda's own lists)"].checked > 500
    locking.lock(ledger, found, lambda _text: None)
    result, _ = checking.check(ledger, found, byte_code=False)
    assert result.findings == ()
    assert result.verdict is Verdict.UNVERIFIED
    assert dict(result.coverage["distributions"].not_checked) == {other_makers.CONDA: 3}
    (conda / "lib/libz.so.1").write_text("\x7fELF another")
    (conda / f"lib/python{VERSION}/site-packages/six.py").write_text("SIX = 7\n")
    (conda / f"lib/python{VERSION}/random.py").write_text("\n")
    result, _ = checking.check(ledger, found, byte_code=False)
    told = {
        (each.rule, str(each.evidence["path"]).removeprefix(f"{conda}/lib/")) for each in result.findings
    }
    assert {("ENV017", "libz.so.1"), ("ENV015", "libz.so.1")} <= told
    assert ("ENV017", f"python{VERSION}/random.py") in told
    assert ("ENV017", f"python{VERSION}/site-packages/six.py") in told
    assert {rule for rule, _ in told} == {"ENV015", "ENV017"}


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b'{"paths_data": 1}', b'{"files": 3}', b"[]"]))
def test_a_broken_list_of_conda_has_no_files_and_hides_no_other(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    prefix = tmp_path_factory.mktemp("conda")
    listed(prefix, "a-1-0", {"lib/a.py": "1"})
    (prefix / "conda-meta/b-1-0.json").write_bytes(data)
    good, broken = conda_list.packages(str(prefix))
    assert good.files["lib/a.py"]
    assert (broken.name, dict(broken.files)) in (("b", {}), (broken.name, {}))


def test_debians_lists_and_configuration_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "info").mkdir()
    (tmp_path / "info/python3-six.md5sums").write_text(
        "aa  usr/lib/python3/dist-packages/six.py\nbb  usr/share/doc/x\n"
    )
    (tmp_path / "info/libpython3.11-minimal:amd64.md5sums").write_text("cc  usr/lib/python3.11/os.py\n")
    (tmp_path / "status").write_text(
        "Package: python3-six\nVersion: 1.16.0-4\nDescription: x\n more\n\n"
        "Package: libpython3.11-minimal\nConffiles:\n /etc/python3.11/sitecustomize.py dd\n"
        " /etc/other ee obsolete\nVersion: 3.11.2\n"
    )
    found = dpkg.listed(str(tmp_path / "info"), str(tmp_path / "status"))
    assert {path: tuple(each) for path, each in found.items()} == {
        "usr/lib/python3/dist-packages/six.py": ("python3-six", "aa"),
        "usr/lib/python3.11/os.py": ("libpython3.11-minimal", "cc"),
        "etc/python3.11/sitecustomize.py": ("libpython3.11-minimal", "dd"),
    }
    assert dpkg.versions(str(tmp_path / "status"))["python3-six"] == "1.16.0-4"


def test_what_left_an_egg_info_is_no_stranger_and_no_published_distribution(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "old-1.0-py3.11.egg-info").mkdir(parents=True)
    (site / "old-1.0-py3.11.egg-info/PKG-INFO").touch()
    (site / "old-1.0-py3.11.egg-info/installed-files.txt").write_text(
        "../old.py\n../../bin/old\nPKG-INFO\n"
    )
    (site / "older-0.1.egg-info").write_text("Name: older\n")
    found = layout.Layout("", str(tmp_path), str(tmp_path), "", VERSION, (str(site),), "")
    old, older = distributions.of(found)
    assert (old.name, old.version, old.local) == ("old", "1.0", other_makers.EGG)
    assert {"old.py", "../bin/old", "old-1.0-py3.11.egg-info/PKG-INFO"} <= set(old.record)
    assert (older.name, older.version, older.record) == ("older", "0.1", ("older-0.1.egg-info",))


@pytest.mark.skipif(not Path(dpkg.PACKAGES).is_dir(), reason="there is no Python of the system here")
@pytest.mark.long
def test_the_systems_own_python_is_unverified_and_its_own_files_are_no_strangers(ledger: Ledger) -> None:
    found = layout.of_folder(Path("/usr"))
    locking.lock(ledger, found, lambda _text: None)
    result, _ = checking.check(ledger, found)
    assert result.coverage["files (by dpkg's own lists)"].checked > 700
    assert result.coverage["distributions"].checked == 0
    ours = {path for path in dpkg.listed() if path.startswith("usr/lib/python3/")}
    foreign = [str(each.evidence["path"]) for each in result.findings if each.rule == "ENV003"]
    assert not [path for path in foreign if path[1:] in ours]
    assert {each.severity for each in result.findings if each.rule == "ENV003"} <= {Severity.WARNING}
