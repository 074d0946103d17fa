"""The rhythm of the week: how much busier than average each hour is, Monday 00h UTC first.

One pooled shape is learned from all topics, and every key's own hours are shrunk towards it, or towards
a flatter one (`rhythm`): a topic with a story a day could never learn 168 hours by itself. The pooled shape
in turn starts from a newswire's, first learns hours of working days and of weekends, then all hours. Where
the hours that were heard rise and fall less than a newswire's, those that were not are believed to, too.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np

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
_OF_KIND = DEFAULT[:24] + DEFAULT[_SATURDAY:_SATURDAY + 24]
# What makes a depth other than DEFAULT's believed, and the most that one kind's stories say of it: ups and
# downs that last for hours leave a tenth of its square.
_DEPTH_WEIGHT, _MOST_WEIGHT, _LEAST = 4.0, 10.0, 1e-9


class Place(NamedTuple):
    """Where in the week a bucket lies: its hour, and the two hours whose centres it is between."""

    hour: int
    low: int
    high: int
    part: float

    @property
    def kind(self) -> int:
        """The hour of the day, from 24 on at weekends."""
        return _kind(self.hour)


def _kind(hour: int) -> int:
    return hour % 24 + (24 if hour >= _SATURDAY else 0)


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
    day: int = -1  # of the week, when the next two were found
    height: float = 1.0
    flatter: float = 0.0  # an hour of a kind that was never heard has height x DEFAULT ^ (1 - flatter)

    def learn(self, here: Place, stories: float, flat: float) -> None:
        """Add what all topics had in one bucket, and what they would have in a flat week."""
        hour, kind = here.hour, here.kind
        own, shared = forgetting(self.width_s), forgetting(self.width_s, 5.0)
        self.stories[hour] = own * self.stories[hour] + stories
        self.flat[hour] = own * self.flat[hour] + flat
        self.kind_stories[kind] = shared * self.kind_stories[kind] + stories / DEFAULT[hour]
        self.kind_flat[kind] = shared * self.kind_flat[kind] + flat
        buckets = narrow(self.width_s) * flat
        self._tell(hour, buckets)
        if hour // 24 != self.day:
            self.day = hour // 24
            self._foretell()
            for each in range(HOURS):
                self._tell(each, buckets)

    def _tell(self, hour: int, buckets: float) -> None:
        """Say how busy an hour is; all topics have so many stories in five minutes of a flat week."""
        kind, usual = _kind(hour), DEFAULT[hour]
        weight = _DEFAULT_STORIES + _DEFAULT_BUCKETS * buckets
        believed = self.height * usual ** -self.flatter
        of_kind = (self.kind_stories[kind] + weight * believed) / (self.kind_flat[kind] + weight)
        weight = _KIND_STORIES + _KIND_BUCKETS * buckets
        self.hours[hour] = (self.stories[hour] + weight * usual * of_kind) / (self.flat[hour] + weight)

    def _foretell(self) -> None:
        """Find how much flatter the week is than DEFAULT, by the kinds of hours that were heard.

        The slope of a line through the logarithms of what they had over what DEFAULT said, over those of
        DEFAULT. The height is such that all of it sums up. A deeper rhythm is not believed before it is
        heard, since what comes at a weekend would be taken for a burst.
        """
        had, would = np.array(self.kind_stories), np.array(self.kind_flat)
        weights = would * _MOST_WEIGHT / (would + _MOST_WEIGHT)
        logs = np.log(_OF_KIND)
        off = weights * (logs - (weights * logs).sum() / max(weights.sum(), _LEAST))
        slope = (off * np.log((had + 1.0) / (would + 1.0))).sum() / ((off * logs).sum() + _DEPTH_WEIGHT)
        self.flatter = float(np.clip(-slope, 0.0, 1.0))
        usual = np.power(_OF_KIND, 1.0 - self.flatter)
        self.height = float(((had * _OF_KIND).sum() + 1.0) / ((would * usual).sum() + 1.0))
