"""Snapshots beyond their room are thinned out evenly, said to be, and an audit goes on without them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import Lab, python
from veristep.supervise.retention import choose


@given(
    steps=st.sets(st.integers(0, 10_000), min_size=1, max_size=60),
    count=st.integers(0, 70),
)
def test_the_newest_snapshot_stays_and_the_first_goes_last(steps: set[int], count: int) -> None:
    moments = [(0, step) for step in sorted(steps)]
    gone = choose(moments, count)
    left = sorted(set(moments) - set(gone))
    assert len(gone) == len(set(gone)) == min(count, len(moments) - 1)
    assert left[-1] == moments[-1]
    assert len(left) == 1 or left[0] == moments[0]


@pytest.mark.parametrize("keep", [5, 9, 17, 33])
def test_what_is_left_lies_evenly_whenever_it_is_thinned_out_as_it_grows(keep: int) -> None:
    left: list[tuple[int, int]] = []
    for step in range(0, 1000, 5):
        left.append((0, step))
        for gone in choose(left, max(0, len(left) - keep)):
            left.remove(gone)
    lengths = [after[1] - before[1] for before, after in itertools.pairwise(left)]
    assert max(lengths[:-1]) <= 4 * min(lengths[:-1])


def test_snapshots_beyond_their_room_are_dropped_and_the_rest_still_verifies(lab: Lab) -> None:
    lab.script("classifier_loader")
    # The script must outlast a few looks of the supervisor.
    (lab.work / "slow.py").write_text(
        "import runpy, sys, time\n"
        "from torch.optim.optimizer import register_optimizer_step_post_hook as hook\n"
        "hook(lambda *_: time.sleep(0.05)); sys.argv = ['classifier_loader.py', '--steps', '60']\n"
        "runpy.run_path('classifier_loader.py', run_name='__main__')\n",
        encoding="utf-8",
    )
    words = ("--interval", "5", "--digests", "full", "--snapshot-bytes", "500kB")
    done = lab.veristep("run", *words, "--", *python("slow.py"))
    assert done.status == 0, done.err
    taken = sum(path.stat().st_size for path in lab.ledger.glob("runs/*/snapshots/parts/*/*"))
    kept = list(lab.ledger.glob("runs/*/snapshots/kept/*"))
    assert 2 <= len(kept) < 12
    assert taken < 700_000
    verdict = lab.audit("last", "--steps", "25:26")
    assert verdict["verdict"] == "verified"
    assert verdict["coverage"]["intervals"] in (len(kept), len(kept) + 1)
    assert verdict["coverage"]["steps_checked"] >= 5
    assert lab.veristep("ledger", "fsck").status == 0
    # A snapshot deleted by anybody else is missed.
    part = max(lab.ledger.glob("runs/*/snapshots/parts/*/*"), key=lambda path: path.stat().st_size)
    part.unlink()
    done = lab.veristep("ledger", "fsck")
    assert done.status == 1
    assert part.name in done.out + done.err
