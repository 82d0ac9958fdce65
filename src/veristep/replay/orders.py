"""From a recorded run to what one of its processes is to replay."""

from __future__ import annotations

from veristep.replay import order as words
from veristep.replay.order import StreamOrder
from veristep.replay.plan.intervals import Interval
from veristep.replay.recorded import RecordedRun

# Records before an interval that its first batches may have been fetched in, by prefetching loaders.
LOOK_BACK_STEPS = 8


def stream_order(run: RecordedRun, name: str, interval: Interval, warm_up: int, mode: str) -> StreamOrder:
    """Return what the process `name` is to do in a replay of an interval."""
    stream = run.streams[name]
    begin = max(0, interval.start - LOOK_BACK_STEPS)
    # The step that opens the next interval tells what the last one of this one ended with.
    last = interval.stop + (1 if interval.closed else 0)
    start, end = stream.snapshots.get(interval.start), stream.snapshots.get(interval.stop)
    between = {step: each for step, each in stream.snapshots.items() if 0 < step < interval.stop}
    return StreamOrder(
        warm=stream.steps[warm_up].to_json(),
        records=[stream.steps[step].to_json() for step in range(begin, last) if step in stream.steps],
        tensors=[(since, dict(line)) for since, line in stream.tensors],
        snapshot=start.object if start is not None else "",
        end_snapshot=end.object if interval.closed and end is not None else "",
        snapshots={}
        if mode in (words.INTERVAL, words.OBSERVE)
        else {str(step): each.object for step, each in between.items()},
        epochs=[line for line in run.of_type("epoch") if line["stream"] == name],
    )
