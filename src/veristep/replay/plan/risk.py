"""How sure an audit by sampling is: exact arithmetic, no approximation.

With k of n intervals replayed clean, drawn without replacement, the chance that none of m tampered ones
was among them is C(n-m, k) / C(n, k) (hypergeometric).

Intervals that could not be judged do not count into k; n stays the number of all. That is on the safe side:
of u unjudgeable ones none is among the k, so the exact chance is C(n-u-m, k) / C(n-u, k), which is smaller.
The bound speaks of tampering that a replay shows. It says nothing of what unjudgeable intervals may hide.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from math import ceil, comb

from veristep.errors import UsageError

_SHARE = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE](-?[0-9]{1,2}))?\s*(%|/\s*([0-9]{1,18}))?\s*")


def miss_probability(intervals: int, checked: int, tampered: int) -> Fraction:
    """Return the chance that an audit of `checked` of `intervals` misses all `tampered` ones.

    Raises:
        ValueError: a count is negative or larger than the number of intervals.
    """
    if not 0 <= checked <= intervals or not 0 <= tampered <= intervals:
        raise ValueError(f"no such audit: {checked} and {tampered} of {intervals} intervals")
    # C(n-m, k) / C(n, k) = C(n-k, m) / C(n, m): whichever has the smaller numbers.
    fewer, more = sorted((checked, tampered))
    return Fraction(comb(intervals - more, fewer), comb(intervals, fewer))


@lru_cache(maxsize=1024)
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


def meant(intervals: int, share: Fraction) -> int:
    """Return how many intervals a share of them is: rounded up, at least one, at most all."""
    return min(intervals, max(1, ceil(intervals * share)))


def parse_share(text: str, option: str, *, whole: bool = False) -> Fraction:
    """Return the share that ``0.1%``, ``0.001`` or ``1/1000`` means; all of it only if `whole`.

    Raises:
        UsageError: that is no share, or not more than 0 and less than all.
    """
    match = _SHARE.fullmatch(text)
    hint = "for example 1%, 0.01 or 1/100"
    if match is None:
        raise UsageError(f"{option} {text!r} is not a share", hint=hint)
    number, exponent, unit, below = match.groups()
    value = Fraction(number) * Fraction(10) ** int(exponent or 0)
    if unit == "%":
        value /= 100
    elif below:
        if int(below) == 0:
            raise UsageError(f"{option} {text!r} is not a share", hint=hint)
        value /= int(below)
    if not 0 < value < 1 and not (whole and value == 1):
        what = "none" if value == 0 else "more than all" if value > 1 else "all"
        raise UsageError(
            f"{option} {text!r} is {what}: a share between 0 and 1 (100 %) is meant",
            hint=f"{hint}; a number above 1 needs its % sign",
        )
    return value


def percent(share: Fraction | float) -> str:
    """Return a share for people."""
    return f"{100 * float(share):.3g} %"
