"""A lock holds what was recorded, with the registry's digests and nobody else's word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veristep.errors import MalformedError
from veristep.supervise.env import lock
from veristep.supervise.env.lock import Lock, Pin
from veristep.supervise.env.recorded import of_run

LINE = {
    "type": "environment",
    "installed": ["Foo.Bar==1.0", "mine==0.1", "veristep==0.1.0", "torch==2.13.0+cpu"],
    "local": [["mine", "0.1", "editable", "/home/me/mine"], ["veristep", "0.1.0", "folder", "/src"]],
    "path": ["/opt/py/lib/python311.zip", "/opt/py/lib/python3.11", "/env/lib/python3.11/site-packages"],
    "executable": "/env/bin/python",
    "build": "cpython 3.11.7 (main)",
}
NAME = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)


def entry(pin: Pin) -> dict[str, object]:
    hashes = {"sha256": pin.sha256} if pin.sha256 else {}
    return {
        "metadata": {"name": pin.name, "version": pin.version},
        "download_info": {"url": "file:///x", "archive_info": {"hashes": hashes}},
    }


def test_what_a_registry_is_asked_for_leaves_out_what_none_can_have() -> None:
    python = of_run([LINE])
    assert (python.prefix, python.base, python.version) == ("/env", "/opt/py", "3.11.7")
    asked, local = lock.wanted(python)
    assert [pin.requirement for pin in asked.pins] == ["foo-bar==1.0", "torch==2.13.0+cpu"]
    assert lock.names(local) == "mine==0.1"


def test_a_file_that_the_registry_names_no_digest_of_is_refused() -> None:
    asked = [Pin("foo", "1.0")]
    with pytest.raises(MalformedError, match=r"no digest of foo==1\.0"):
        lock.from_report("3.11.7", {"install": [entry(Pin("foo", "1.0"))]}, asked)
    found = lock.from_report("3.11.7", {"install": [entry(Pin("Foo", "1.0", "ab" * 32))]}, asked)
    assert "foo==1.0 --hash=sha256:" + "ab" * 32 in found.text()


@given(names=st.lists(NAME, min_size=1, unique_by=lock.canonical), order=st.randoms())
def test_the_digest_of_a_lock_does_not_depend_on_the_order_of_its_pins(
    names: list[str], order: object
) -> None:
    pins = [Pin(lock.canonical(name), "1", "00" * 32) for name in names]
    one = Lock("3.11.7", tuple(pins)).digest
    order.shuffle(pins)  # type: ignore[attr-defined]
    assert Lock("3.11.7", tuple(pins)).digest == one
    assert Lock("3.11.8", tuple(pins)).digest != one


def test_a_recorded_name_that_is_an_option_of_pip_is_refused() -> None:
    with pytest.raises(MalformedError, match="not a distribution"):
        lock.wanted(of_run([{**LINE, "installed": ["--index-url=http://x==1"]}]))
