"""The rhythm of the week: how much busier than average each hour is, Monday 00h UTC first.

One pooled shape is learned from everything negative, and every key's own hours are shrunk
towards it: a topic with a story a day could never learn 168 hours by itself.
"""

import math
from typing import NamedTuple

import msgspec

from .keys import BUCKET_S

HOURS = 168
_MONDAY = 72  # 1970-01-01 was a Thursday
_FORGET = 0.5 ** (1.0 / (12 * 8))  # per visited bucket of an hour: half-life eight weeks
_PRIOR_BUCKETS = 24.0  # two weeks of an hour's buckets: then the desk's own news decide

# A newswire for Europe and America before anything was seen: quiet nights, a peak from
# the European midday to the American close, a quarter at weekends. Of mean one.
_DAY = tuple(
    0.35
    + 1.25 * math.exp(-0.5 * ((hour - 15.0) / 4.5) ** 2)
    + 0.25 * math.exp(-0.5 * ((hour - 8.0) / 2.5) ** 2)
    for hour in range(24)
)
_RAW = [share * (1.0 if day < 5 else 0.25) for day in range(7) for share in _DAY]  # noqa: PLR2004
DEFAULT = tuple(value * HOURS / sum(_RAW) for value in _RAW)


class Place(NamedTuple):
    """Where in the week a bucket lies: its hour, and the two hours whose centres it is between."""

    hour: int
    low: int
    high: int
    part: float


def place(bucket: int) -> Place:
    """Find a bucket's place in the week."""
    position = bucket / 3600.0 + _MONDAY - 0.5 + 0.5 * BUCKET_S / 3600.0
    low = math.floor(position)
    hour = (bucket // 3600 + _MONDAY) % HOURS
    return Place(hour, low % HOURS, (low + 1) % HOURS, position - low)


class Pool(msgspec.Struct):
    """The pooled shape: forgetting sums of relative volume and of visits, by hour."""

    seen: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    visits: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    hours: list[float] = msgspec.field(default_factory=lambda: list(DEFAULT))

    def learn(self, here: Place, relative: float, weight: float) -> None:
        """Add one bucket whose volume was `relative` to the level; keeps `hours` current."""
        hour = here.hour
        self.seen[hour] = _FORGET * self.seen[hour] + weight * relative
        self.visits[hour] = _FORGET * self.visits[hour] + weight
        known = self.visits[hour] + _PRIOR_BUCKETS
        self.hours[hour] = (self.seen[hour] + _PRIOR_BUCKETS * DEFAULT[hour]) / known
