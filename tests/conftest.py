from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lab import Lab, python
from once import made_once

# A shell starts what runs in the background with Ctrl-C ignored, and every process below inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A private home, ledger and working directory, and the command line in it."""
    return Lab(tmp_path)


def _record_plain(folder: Path) -> None:
    lab = Lab(folder)
    lab.script("functional_loss")
    lab.record(python("functional_loss.py", "--steps", "20"), interval=10)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A run of two intervals, recorded once for all tests: only to be read; see `recorded`."""
    return Lab(made_once(tmp_path_factory, "plain", _record_plain))


@pytest.fixture
def recorded(plain: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same run, in a ledger of the test's own."""
    own = plain.copy(tmp_path)
    # Other copies of the ledger went on otherwise: what is remembered of them must not be asked.
    monkeypatch.setenv("XDG_STATE_HOME", own.environment["XDG_STATE_HOME"])
    return own
