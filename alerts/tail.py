"""How unlikely a count is: the upper tail of the negative binomial distribution."""

import math

_TINY = 1e-300
_PRECISION = 1e-9  # far below what a threshold can tell
_MAX_STEPS = 500


def log10_tail(count: float, mean: float, variance: float) -> float:
    """Return log10 P(X >= count) where X is negative binomial with this mean and variance.

    The regularised incomplete beta function I_p(count, size), by its continued fraction
    (Numerical Recipes 6.4), in logarithms, so that it is right far out where 1 - cdf is 0.
    `count` may lie between integers (capped counts do). Counts at or below the mean are no
    surprise: 0. A variance at or below the mean is taken as just above it (Poisson).
    """
    if count <= mean or count <= 0:
        return 0.0
    mean = max(mean, 1e-9)
    variance = max(variance, mean * 1.0001)
    size = mean * mean / (variance - mean)
    success = 1.0 - mean / variance
    log_front = (
        math.lgamma(count + size) - math.lgamma(count + 1.0) - math.lgamma(size)
        + count * math.log(success) + size * math.log(mean / variance)
    )
    fraction = _fraction(count, size, success)
    return min((log_front + math.log(fraction)) / math.log(10.0), 0.0)


def _fraction(a: float, b: float, x: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function (modified Lentz)."""
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1.0) or _TINY)
    result = d
    for step in range(1, _MAX_STEPS):
        twice = a + 2 * step
        even = step * (b - step) * x / ((twice - 1.0) * twice)
        odd = -(a + step) * (a + b + step) * x / (twice * (twice + 1.0))
        d = 1.0 / (1.0 + even * d or _TINY)
        c = 1.0 + even / c or _TINY
        result *= d * c
        d = 1.0 / (1.0 + odd * d or _TINY)
        c = 1.0 + odd / c or _TINY
        result *= d * c
        if abs(d * c - 1.0) < _PRECISION:
            break
    return max(result, _TINY)
