"""What a random sample says about what was not looked at."""

from __future__ import annotations

import math


def chance_missed(total: int, looked_at: int, changed: int) -> float:
    """Return the chance that a sample shows none of the changed things.

    That is C(total - changed, looked_at) / C(total, looked_at): the sample was drawn without replacement,
    by nobody who knew what was changed.

    Args:
        total: how many things there are.
        looked_at: how many distinct ones the sample had.
        changed: how many of all are changed.
    """
    if changed <= 0:
        return 1.0
    if looked_at <= 0:
        return 1.0 if changed <= total else 0.0
    if changed + looked_at > total:
        return 0.0
    rest = total - changed
    return math.exp(_log_choose(rest, looked_at) - _log_choose(total, looked_at))


def sample_size(total: int, changed: int, limit: float) -> int:
    """Return the smallest sample that misses all `changed` things with a chance of at most `limit`."""
    low, high = 0, total
    while low < high:
        middle = (low + high) // 2
        if chance_missed(total, middle, changed) <= limit:
            high = middle
        else:
            low = middle + 1
    return low


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
