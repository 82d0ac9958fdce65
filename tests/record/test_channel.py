from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from veristep.core.records import ChainReader
from veristep.record.channel import STUCK_SECONDS, Channel, Spool, connect
from veristep.record.shared import Heartbeat, Pair, heartbeats
from veristep.record.worker import Worker
from veristep.supervise.receiver import Receiver

PADDING = "x" * 1000


class Ends:
    """A channel and the receiver at its other end, in one process."""

    def __init__(self, folder: Path) -> None:
        self.kept: list[bytes] = []
        self.spool = folder / "spool"
        self.receiver = Receiver(folder / "socket", self.kept.append, self.spool)
        self.now = 0.0
        self.channel = Channel(connect(str(folder / "socket")), self.spool, "0", lambda: self.now)

    def say(self, count: int, padding: str = PADDING) -> None:
        for number in range(count):
            self.channel.line({"type": "step", "step": number, "padding": padding})
            self.channel.flush()

    def hear(self) -> None:
        for _ in range(50):
            self.receiver.poll(0.0)

    def numbers(self) -> list[int]:
        reader = ChainReader()
        lines = [reader.accept(data)[0] for data in self.kept]
        return [line["seq"] for line in lines if line["stream"] == "0"]  # type: ignore[misc]


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def test_lines_reach_a_listening_supervisor_in_order(ends: Ends) -> None:
    for _ in range(5):
        ends.say(20)
        ends.hear()
    ends.channel.close()
    ends.receiver.close()
    assert ends.numbers() == list(range(100))
    assert not ends.spool.exists()


def test_a_supervisor_that_is_busy_for_a_while_gets_everything_over_the_socket(ends: Ends) -> None:
    ends.say(1000)
    ends.now = STUCK_SECONDS * 0.9
    ends.say(1)
    for _ in range(20):
        ends.hear()
        ends.channel.flush()
    ends.channel.close()
    ends.receiver.close()
    assert ends.numbers() == list(range(1001))
    assert not ends.spool.exists()


def test_a_frozen_supervisor_finds_the_rest_in_the_spool_once_and_in_order(ends: Ends) -> None:
    ends.say(1000)
    ends.now = STUCK_SECONDS * 1.1
    ends.say(500)
    assert ends.spool.exists()
    ends.hear()
    ends.receiver.take_spooled()
    ends.say(100)
    ends.channel.close()
    ends.receiver.take_spooled(final=True)
    ends.receiver.close()
    assert ends.numbers() == list(range(1600))
    assert (ends.receiver.heard.refused, ends.receiver.heard.gaps) == (0, 0)


def test_the_spool_may_be_read_before_the_socket(ends: Ends) -> None:
    ends.say(1000)
    ends.now = STUCK_SECONDS * 1.1
    ends.say(1)
    ends.receiver.take_spooled()
    ends.hear()
    ends.receiver.take_spooled(final=True)
    ends.channel.close()
    ends.receiver.close()
    assert ends.numbers() == list(range(1001))
    assert (ends.receiver.heard.refused, ends.receiver.heard.gaps) == (0, 0)


def test_a_line_too_long_for_the_socket_keeps_its_place(ends: Ends) -> None:
    ends.say(3)
    ends.say(1, "x" * 500_000)
    ends.say(3)
    ends.hear()
    ends.channel.close()
    ends.receiver.close()
    assert ends.numbers() == list(range(7))


def test_what_a_dead_supervisor_had_not_read_is_in_the_spool(tmp_path: Path) -> None:
    ends = Ends(tmp_path)
    ends.say(50)
    ends.receiver.close()
    ends.say(50)
    ends.channel.close()
    data = (ends.spool / "0.jsonl").read_bytes()
    reader = ChainReader()
    assert [reader.accept(line)[1] for line in data.splitlines()] == [0] * 100


def test_sending_never_waits_for_the_supervisor(ends: Ends) -> None:
    began = time.monotonic()
    ends.say(5000)
    assert time.monotonic() - began < 2.0
    ends.channel.close()
    ends.receiver.close()


def test_what_claims_to_be_the_supervisor_is_refused(ends: Ends) -> None:
    ends.receiver.accept_line(b'{"prev":"","seq":0,"stream":"supervisor","type":"exit"}', 1)
    assert ends.receiver.heard.refused == 1
    ends.channel.close()
    ends.receiver.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"[]",
        b'{"type": "hello", "path": 3}',
        b'{"type": "hello"',
        b'{"prev":"x","seq":0,"stream":"0","step":"three","type":"step"}',
        b'{"prev":"x","seq":1e400,"stream":"0"}',
    ],
)
def test_nothing_a_process_says_stops_the_supervisor(ends: Ends, tmp_path: Path, data: bytes) -> None:
    peer = connect(str(tmp_path / "socket"))
    peer.send(data)
    ends.say(2)
    ends.hear()
    peer.close()
    ends.channel.close()
    ends.receiver.close()
    assert ends.receiver.heard.refused == 1
    assert ends.numbers() == [0, 1]


def test_a_spool_takes_whole_lines_or_nothing(tmp_path: Path) -> None:
    spool = Spool(Path("/dev"), "full")
    spool._path = Path("/dev/full")
    assert not spool.write(b"line\n")
    spool.close()


def test_a_channel_without_supervisor_and_disk_says_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    channel = Channel(None, tmp_path / "file", "0")
    for _ in range(3):
        channel.line({"type": "step"})
        channel.flush()
    channel.close()
    assert channel.lost == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_a_worker_that_cannot_finish_does_not_hold_up_the_exit() -> None:
    worker, release = Worker(100, lambda: None), threading.Event()
    worker.add(lambda: _wait(release))
    began = time.monotonic()
    assert not worker.stop(0.2)
    assert time.monotonic() - began < 2.0
    release.set()


def test_a_full_queue_refuses_what_may_be_left_out_and_takes_what_may_not() -> None:
    worker, release = Worker(100, lambda: None), threading.Event()
    done: list[int] = []
    worker.add(lambda: _wait(release), 90)
    assert not worker.add(lambda: done.append(1), 20)
    assert worker.add(lambda: done.append(2), 20, must=True)
    release.set()
    assert worker.stop(5.0)
    assert (done, worker.refused, worker.failed) == ([2], 1, 0)
    assert worker.has_room(100)


def test_a_job_that_raises_is_counted_and_the_next_one_runs() -> None:
    worker, done = Worker(100, lambda: None), [0]
    worker.add(_fail)
    worker.add(lambda: done.append(1))
    assert worker.stop(5.0)
    assert (done, worker.failed) == ([0, 1], 1)
    assert "ZeroDivisionError" in worker.reason


def test_a_heartbeat_is_read_by_others_and_takes_its_room_at_once(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path, "0")
    heartbeat.beat(7)
    assert heartbeats(tmp_path)["0"][0] == 7
    # A page that exists cannot run out of room when it is stored into.
    assert (tmp_path / "beat-0").stat().st_blocks > 0
    pair = Pair(tmp_path / "beat-0")
    assert pair.get()[0] == 7
    pair.close()


def test_nobody_listening_is_an_error_at_once(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "socket"))
    listener.close()
    with pytest.raises(OSError, match="refused"):
        connect(str(tmp_path / "socket"))


def _wait(event: threading.Event) -> None:
    event.wait(10)


def _fail() -> None:
    raise ZeroDivisionError
