"""What is normal for each key: level x shape, learned as it goes, in constant memory.

The level forgets with a half-life of three days, a key's own hours with eight weeks. What is learned
from a bucket is weighed by how sure the filter is that it was an ordinary one, and counts far above
are cut first; after two days of doubt the new volume is the normal one.
Functions over all keys at once: each works on the rows of `state.ROW` element by element.
"""

import numpy as np
from numpy.typing import NDArray

from . import rhythm
from .keys import DAY_S, WEEK_S
from .shape import Place, Pool, forgetting, narrow
from .state import Rows

_LEVEL_HALF_S = 3 * DAY_S
_LEVEL_STORIES = 0.5
_LEVEL_PRIOR_S = 3600.0
_OWN_STORIES = 12.0  # stories that a key's own hour must show before it outweighs the pool
_OWN_BUCKETS_MIN, _OWN_BUCKETS_MAX = 60.0, 600.0
_FIRST_S = DAY_S / 2  # of a flat week, before hours are learned
_ROUGH_S = 2 * DAY_S  # before, cutting would hold a fast key down
_DOUBT_S = 2 * DAY_S  # a surge of two days is the new normal
_LEAST_WEIGHT = 0.03
_ORDINARY = 0.5
_SATURATED = 4.0  # stories a bucket from which a key says no more of the pooled shape

Floats = NDArray[np.float64]


def level(rows: Rows, width_s: int, coverage: float = 1.0) -> Floats:
    """Stories of an average bucket, at a coverage."""
    prior = _LEVEL_PRIOR_S / width_s * coverage
    share = (rows["stories"] + _LEVEL_STORIES) / (rows["exposure"] + prior)
    return np.asarray(coverage * share)


def mean(rows: Rows, levels: Floats, here: Place, pool: Pool) -> Floats:
    """Stories that are normal in the bucket at this place of the week."""
    weeks = narrow(pool.width_s)
    weight = np.clip(_OWN_STORIES / levels, _OWN_BUCKETS_MIN * weeks, _OWN_BUCKETS_MAX * weeks)
    shared = rhythm.rhythms(pool)
    low, high = (_hour(rows, at, weight, shared) for at in (here.low, here.high))
    return np.maximum(levels * (low + (high - low) * here.part), 1e-6)


def _hour(rows: Rows, hour: int, weight: Floats, shared: Floats) -> Floats:
    seen, visits = rows["seen"][:, hour], rows["visits"][:, hour]
    believed = rhythm.hour_of_week(rows, shared, hour)
    return np.asarray((seen + weight * believed) / (visits + weight))


def learn(
    rows: Rows, here: Place, width_s: int, counts: Floats, means: Floats, levels: Floats,
    normal: Floats, coverage: float,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Learn from one bucket of every row; `normal` is how probably it was an ordinary one.

    Returns, for the pooled shape, each key's stories and its stories in a flat week, both weighed.
    """
    deviation = np.sqrt(1.3 * means + 0.15 * means * means)
    rough = rows["known"] * width_s < _ROUGH_S
    learned = np.where(rough, counts, np.minimum(counts, means + 2.5 * deviation + 1.0))
    weight = _weight(rows, normal, width_s)
    hour, relative = here.hour, learned / levels
    # Before there is a level, the first hours would be learned as a thousand times the normal.
    # In its first week a key has seen no such hour before: what surprises may be its rhythm.
    first = np.where(rows["known"] * width_s < WEEK_S, 1.0, weight)
    taught = np.where(rows["exposure"] * width_s < _FIRST_S * coverage, 0.0, first)
    forget = forgetting(width_s)
    rows["seen"][:, hour] = forget * rows["seen"][:, hour] + taught * relative
    rows["visits"][:, hour] = forget * rows["visits"][:, hour] + taught
    forget = 0.5 ** (width_s / _LEVEL_HALF_S)
    rows["stories"] = forget * rows["stories"] + weight * learned
    rows["exposure"] = forget * rows["exposure"] + weight * coverage * means / levels
    rows["known"] += 1
    says = taught * levels / (1.0 + levels * narrow(width_s) / _SATURATED)
    return says * relative, says


def _weight(rows: Rows, normal: Floats, width_s: int) -> Floats:
    """Return how much a bucket teaches, and count the doubtful ones."""
    doubtful = normal < _ORDINARY
    longest = _DOUBT_S / width_s
    accepted = doubtful & (rows["doubt"] >= longest)
    rows["doubt"] += np.where(doubtful, ~accepted, -(rows["doubt"] > 0).astype(np.int64))
    return np.where(accepted, 1.0, np.maximum(normal, _LEAST_WEIGHT))
