"""How sure an audit by sampling is: exact arithmetic, no approximation.

With k of n intervals replayed clean, drawn without replacement, the chance that none of m tampered ones
was among them is C(n-m, k) / C(n, k) (hypergeometric).
"""

from __future__ import annotations

from fractions import Fraction
from math import comb


def miss_probability(intervals: int, checked: int, tampered: int) -> Fraction:
    """Return the chance that an audit of `checked` of `intervals` misses all `tampered` ones.

    Raises:
        ValueError: a count is negative or larger than the number of intervals.
    """
    if not 0 <= checked <= intervals or not 0 <= tampered <= intervals:
        raise ValueError(f"no such audit: {checked} and {tampered} of {intervals} intervals")
    return Fraction(comb(intervals - tampered, checked), comb(intervals, checked))


def needed(intervals: int, tampered: int, limit: Fraction) -> int:
    """Return the fewest intervals to replay so that the chance to miss is at most `limit`.

    Raises:
        ValueError: nothing can reach the limit because nothing is tampered.
    """
    if tampered <= 0:
        raise ValueError("an audit cannot miss what is not there: at least one interval must be meant")
    low, high = 0, intervals
    while low < high:
        middle = (low + high) // 2
        if miss_probability(intervals, middle, tampered) <= limit:
            high = middle
        else:
            low = middle + 1
    return low
