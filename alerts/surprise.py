"""How rare a key's volume is, and the window in which it shows best."""

import msgspec

from . import state
from .keys import MAX_WEEKS
from .state import Rows
from .tail import log10_tail

WINDOWS_S = (900, 3600, 3 * 3600, 6 * 3600)


class Surprise(msgspec.Struct, frozen=True):
    """Once in `weeks` weeks on this key; what the last `buckets` showed, and what was expected."""

    weeks: float
    buckets: int
    observed: int
    expected: float


def likeliest(row: Rows, bucket: int, width_s: int, weeks: float) -> Surprise:
    """Choose the window whose count is the least likely without a burst."""
    phi, alpha = state.restlessness(row)
    found = []
    for window_s in WINDOWS_S:
        buckets = max(window_s // width_s, 1)
        observed, expected = state.window(row, bucket, width_s, buckets)
        tail = log10_tail(observed, expected, phi * expected + alpha * expected**2)
        found.append((tail, buckets, observed, expected))
    _tail, buckets, observed, expected = min(found)
    return Surprise(min(weeks, MAX_WEEKS), buckets, observed, expected)
