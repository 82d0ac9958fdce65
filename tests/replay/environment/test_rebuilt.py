"""An environment is built from the registry's files, and not used once a byte of it has changed."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from veristep.errors import UnavailableError
from veristep.ledger.log import Ledger
from veristep.replay.environment import rebuilt
from veristep.replay.sandbox import choose
from veristep.supervise.env.recorded import RecordedPython
from veristep.supervise.installed import own_build


def wheel(folder: Path, name: str, version: str, source: str) -> None:
    """Make a registry's file of a distribution with one module."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry that is a folder, in pip's own configuration, and a private cache."""
    folder = tmp_path / "registry"
    folder.mkdir()
    wheel(folder, "tinyhelp", "1.0", "RATE = 1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def recorded(*installed: tuple[str, str]) -> RecordedPython:
    base = Path(sys.base_prefix)
    path = (f"{base}/lib/python3.11", "/gone/lib/python3.11/site-packages")
    return RecordedPython("/gone/bin/python", own_build(), path, installed)


def test_a_changed_file_of_a_built_environment_is_found_and_it_is_built_again(
    tmp_path: Path, registry: Path
) -> None:
    told: list[str] = []
    sandbox = choose.choose(allow_unsandboxed=True)
    python = recorded(("tinyhelp", "1.0"))
    with Ledger.init(tmp_path / "ledger") as ledger:
        first = rebuilt.rebuilt(ledger, python, "/code", sandbox, told.append)
        module = (
            Path(first.prefix) / "lib" / f"python3.{sys.version_info[1]}" / "site-packages" / "tinyhelp.py"
        )
        assert module.read_text(encoding="utf-8") == "RATE = 1.0\n"
        assert first.kind == "rebuilt from the registry"
        module.write_text("RATE = 0.5\n", encoding="utf-8")
        second = rebuilt.rebuilt(ledger, python, "/code", sandbox, told.append)
        assert module.read_text(encoding="utf-8") == "RATE = 1.0\n"
        assert second.digest == first.digest
        assert any("tinyhelp.py" in each and "built again" in each for each in second.differences)
        assert any("tinyhelp.py" in each for each in told)
        told.clear()
        third = rebuilt.rebuilt(ledger, python, "/code", sandbox, told.append)
        assert (third.digest, third.differences) == (first.digest, ())
        assert not any("building" in each for each in told)
        built = list(ledger.entries(kind=rebuilt.BUILT))
        text = ledger.objects.read(str(json.loads(json.dumps(built[0].body))["objects"]["lock"])).decode()
        data = (registry / "tinyhelp-1.0-py3-none-any.whl").read_bytes()
        assert hashlib.sha256(data).hexdigest() in text


def test_what_the_registry_does_not_have_is_named(tmp_path: Path, registry: Path) -> None:
    assert registry.is_dir()
    python = recorded(("tinyhelp", "1.0"), ("vanished", "2.5"), ("tiny-other", "3"))
    sandbox = choose.choose(allow_unsandboxed=True)
    with Ledger.init(tmp_path / "ledger") as ledger:
        with pytest.raises(UnavailableError, match=r"does not have .*==") as refused:
            rebuilt.rebuilt(ledger, python, "/code", sandbox, lambda _text: None)
        assert "vanished==2.5" in refused.value.message
        assert "tiny-other==3" in refused.value.message
        assert "--in-place" in refused.value.hint
