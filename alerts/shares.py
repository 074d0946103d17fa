"""Shares of counts, and how sure one can be of them: 95% intervals. Pure.

All take articles as independent draws. Copies of one story are not, so the intervals are
rather too narrow than too wide; alerts are judged on stories, never on these.
"""

import math

import msgspec

Z = 1.959963984540054  # the normal distribution's 97.5% point


class Estimate(msgspec.Struct, frozen=True):
    """A value between the bounds of its 95% interval."""

    value: float
    low: float
    high: float


def share(part: int, whole: int) -> Estimate | None:
    """Estimate a share by Wilson's score interval; None of nothing.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927) 209-212: right for small counts and for shares of 0 and 1, where the usual one is not.
    """
    if whole <= 0:
        return None
    p, z2 = part / whole, Z * Z
    centre = (p + z2 / (2 * whole)) / (1 + z2 / whole)
    half = Z * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole)) / (1 + z2 / whole)
    low = 0.0 if part == 0 else max(centre - half, 0.0)
    high = 1.0 if part == whole else min(centre + half, 1.0)
    return Estimate(p, low, high)


def change(now: Estimate | None, before: Estimate | None) -> Estimate | None:
    """Estimate by how much one share is above another, independent one; None if either is None.

    Newcombe, "Interval estimation for the difference between independent proportions",
    Statistics in Medicine 17 (1998) 873-890, method 10: from the two Wilson intervals.
    """
    if now is None or before is None:
        return None
    value = now.value - before.value
    down = math.hypot(now.value - now.low, before.high - before.value)
    up = math.hypot(now.high - now.value, before.value - before.low)
    return Estimate(value, max(value - down, -1.0), min(value + up, 1.0))


def balance(ups: int, downs: int, whole: int) -> Estimate | None:
    """Estimate the share of ups less that of downs in one sample; None of nothing.

    Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", Journal of Educational and Behavioral Statistics 37 (2012) 479-488:
    the difference of two cells of one multinomial sample, one added to each.
    """
    if whole <= 0:
        return None
    up, down = (ups + 1) / (whole + 2), (downs + 1) / (whole + 2)
    half = Z * math.sqrt(max(up + down - (up - down) ** 2, 0.0) / (whole + 2))
    value, middle = (ups - downs) / whole, up - down
    return Estimate(value, max(min(middle - half, value), -1.0), min(max(middle + half, value), 1.0))
