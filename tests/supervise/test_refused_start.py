"""A policy can let no run start with what stands before it; by default a run starts, and it is told."""

from __future__ import annotations

import sys

import pytest

from desk import Desk


@pytest.mark.parametrize("blocks", [True, False], ids=["block", "alert"])
def test_a_run_is_refused_only_where_a_policy_says_so(desk: Desk, blocks: bool) -> None:
    desk.write("veristep.toml", f'[rules]\nENV012 = "{"block" if blocks else "alert"}"\n')
    desk.write("script.py", "print('started')\n")
    done = desk.run([sys.executable, "script.py"], env={"PYTHONPLATLIBDIR": "lib"})
    if blocks:
        assert done.returncode == 1
        assert done.stdout == b""
        assert b"not started" in done.stderr
        assert b"ENV012" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"started\n"
    # A run that is not to be refused does not wait: a machine that is busy enough gets no look done.
    assert desk.findings("ENV012") or (not blocks and "no time" in str(desk.checks()["environment"]))
