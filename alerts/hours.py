"""What an hour of a key showed against what is normal for it: for graphs and gauges."""

import math
from typing import NamedTuple

from . import state
from .keys import BUCKET_S
from .shape import HOUR_S

_HOUR = HOUR_S // BUCKET_S


class Hour(NamedTuple):
    """A key's negative stories of an hour (its end, in seconds since 1970), and its normal band.

    `upper` is the upper edge of the band.
    """

    end: int
    observed: int
    expected: float
    upper: float


def hour_of(row: state.Rows, end: int, buckets: int = _HOUR) -> Hour:
    """Read the hour that ends with a judged bucket; the band is two standard deviations wide.

    Where judging began or ended within an hour it has fewer `buckets`.
    """
    observed, expected = state.window(row, end - BUCKET_S, BUCKET_S, buckets)
    phi, alpha = state.restlessness(row)
    upper = expected + 2.0 * math.sqrt(phi * expected + alpha * expected**2)
    return Hour(end, observed, expected, upper)
