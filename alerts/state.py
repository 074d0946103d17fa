"""What is kept of a key: one row of constant size, the same bytes in memory and in the store."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .burst import BELIEF, prior
from .likelihood import WORLDS
from .shape import HOURS

LAYOUT = 5  # of ROW: another layout cannot be read, and such a key starts anew
RING = 72  # buckets
DAY_HOURS = 25  # the present one and the 24 before it

# The rhythms that a key may have, as powers of how its days differ in their hours and the week in its
# days from the shared one's (0: not at all), and how likely each is beforehand.
RHYTHMS = tuple((nights, weekends) for nights in (1.0, 0.5, 0.0) for weekends in (1.0, 0.5, 0.0))
RHYTHMS_PRIOR = (0.9, 0.01, 0.01, 0.01, 0.02, 0.01, 0.01, 0.01, 0.02)

# `rhythm`: how likely each is. `size`: of a count relative to its key's usual deviation; `peaks`: the
# largest of each hour's.
ROW = np.dtype([
    ("layout", np.int64),
    ("known", np.int64),  # buckets that were watched
    ("doubt", np.int64),
    ("stories", np.float64),
    ("exposure", np.float64),
    ("usual", np.float64),  # a mean count and its weight, bursts included
    ("usual_weight", np.float64),
    ("squares", np.float64),
    ("squares_weight", np.float64),
    ("mean", np.float64),
    ("weeks", np.float64),
    ("size", np.float64),
    ("peaks", np.float32, DAY_HOURS),
    ("counts", np.int32, RING),
    ("means", np.float32, RING),
    ("seen", np.float32, HOURS),
    ("visits", np.float32, HOURS),
    ("rhythm", np.float32, len(RHYTHMS)),
    ("belief", np.float32, BELIEF),
])

Rows = NDArray[Any]


def fresh(count: int) -> Rows:
    """Return the rows of keys that were never seen."""
    rows = np.zeros(count, ROW)
    rows["layout"] = LAYOUT
    rows["belief"] = prior()
    rows["rhythm"] = RHYTHMS_PRIOR
    return rows


def read(stored: bytes) -> Rows | None:
    """Return the row that was stored, or None where it has another layout."""
    if len(stored) != ROW.itemsize:
        return None
    rows = np.frombuffer(stored, ROW).copy()
    return rows if rows["layout"][0] == LAYOUT else None


def window(row: Any, bucket: int, width_s: int, buckets: int) -> tuple[int, float]:
    """Return what was observed and expected in the last buckets up to and with this one."""
    last = bucket // width_s
    slots = [(last - back) % RING for back in range(min(buckets, RING))]
    return int(row["counts"][slots].sum()), float(row["means"][slots].sum(dtype=np.float64))


def restlessness(row: Any) -> tuple[float, float]:
    """Return phi and alpha of the variance phi m + alpha m^2 that a window's count has.

    Those of the worlds that the key may live in, as likely as each is; slow ups and downs included.
    """
    likely = row["belief"].sum((1, 2), dtype=np.float64)
    phi = sum(share * world.phi for share, world in zip(likely, WORLDS, strict=True))
    alpha = sum(share * world.variation for share, world in zip(likely, WORLDS, strict=True))
    return float(phi / likely.sum()), float(alpha / likely.sum())
