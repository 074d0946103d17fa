"""The rhythm of the week: how much busier than average each hour is, Monday 00h UTC first.

One pooled shape is learned from all topics, and every key's own hours are shrunk towards it: a
topic with a story a day could never learn 168 hours by itself. The pooled shape in turn starts
from a newswire's, first learns hours of working days and of weekends, then all hours.
"""

import math
from typing import NamedTuple

import msgspec

from .keys import BUCKET_S

HOURS = 168
HOUR_S = 3600
_MONDAY = 72  # 1970-01-01 was a Thursday
_FORGET_WEEKS = 8.0  # half-life

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

# How much each prior weighs, in stories: the inverse of how far, squared, real newswires lie from
# it. DEFAULT is off by a half or so, an hour of a Tuesday by .15 from that of other working days.
_DEFAULT_STORIES, _KIND_STORIES = 2.0, 44.0
# Where news is frequent, stories say little, since ups and downs last for hours: in buckets, too.
_DEFAULT_BUCKETS, _KIND_BUCKETS = 2.0, 12.0
_KINDS = 48  # 24 hours of a working day, 24 of a weekend
_SATURDAY = 120


class Place(NamedTuple):
    """Where in the week a bucket lies: its hour, and the two hours whose centres it is between."""

    hour: int
    low: int
    high: int
    part: float

    @property
    def kind(self) -> int:
        """The hour of the day, from 24 on at weekends."""
        return self.hour % 24 + (24 if self.hour >= _SATURDAY else 0)


def place(bucket: int, width_s: int = BUCKET_S) -> Place:
    """Find the place of a bucket (its start, in seconds since 1970) in the week."""
    hour = (bucket // HOUR_S + _MONDAY) % HOURS
    if width_s > HOUR_S:
        return Place(hour, hour, hour, 0.0)
    position = bucket / HOUR_S + _MONDAY - 0.5 + 0.5 * width_s / HOUR_S
    low = math.floor(position)
    return Place(hour, low % HOURS, (low + 1) % HOURS, position - low)


def forgetting(width_s: int, per_visit: float = 1.0) -> float:
    """Return what remains of a visit to an hour after another bucket of it."""
    return float(0.5 ** (1.0 / (max(HOUR_S // width_s, 1) * per_visit * _FORGET_WEEKS)))


def narrow(width_s: int) -> float:
    """Return what part of an hour's weight a bucket has, in fives of minutes: wider ones count for more.

    How much is to be seen before it outweighs what was believed is a matter of weeks, not of buckets.
    """
    return BUCKET_S / min(max(width_s, BUCKET_S), HOUR_S)


class Pool(msgspec.Struct):
    """The pooled shape: forgetting sums of stories and of what they would be in a flat week."""

    width_s: int = BUCKET_S
    stories: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    flat: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    kind_stories: list[float] = msgspec.field(default_factory=lambda: [0.0] * _KINDS)
    kind_flat: list[float] = msgspec.field(default_factory=lambda: [0.0] * _KINDS)
    hours: list[float] = msgspec.field(default_factory=lambda: list(DEFAULT))

    def learn(self, here: Place, stories: float, flat: float) -> None:
        """Add what all topics had in one bucket, and what they would have in a flat week."""
        hour, kind = here.hour, here.kind
        own, shared = forgetting(self.width_s), forgetting(self.width_s, 5.0)
        self.stories[hour] = own * self.stories[hour] + stories
        self.flat[hour] = own * self.flat[hour] + flat
        self.kind_stories[kind] = shared * self.kind_stories[kind] + stories / DEFAULT[hour]
        self.kind_flat[kind] = shared * self.kind_flat[kind] + flat
        buckets = narrow(self.width_s) * flat
        weight = _DEFAULT_STORIES + _DEFAULT_BUCKETS * buckets
        of_kind = (self.kind_stories[kind] + weight) / (self.kind_flat[kind] + weight)
        weight = _KIND_STORIES + _KIND_BUCKETS * buckets
        self.hours[hour] = (self.stories[hour] + weight * DEFAULT[hour] * of_kind) / (
            self.flat[hour] + weight
        )
