"""Is this key surging? A negative binomial tail over 15 minutes to 6 hours, with hysteresis.

Constant memory: the baseline and a ring of the last six hours. Serialisable: a detector
that is stored and read again goes on exactly as one that was not.
"""

import math
from typing import NamedTuple

import msgspec

from .baseline import Baseline
from .keys import WEEK_BUCKETS
from .shape import Place
from .tail import log10_tail

SCALES = (3, 12, 36, 72)  # buckets: 15 min, 1 h, 3 h, 6 h
HOUR = 12
RING = SCALES[-1] + 1
SILENT_BUCKETS = 576  # two days: nothing is said at all
WARM_BUCKETS = 2 * WEEK_BUCKETS  # until then incidents are provisional

# Tests of four overlapping windows in a week that count as independent. Measured on simulated
# newswires: "once in 20 weeks" happens .05 .00 .05 .07 times a week at .5 5 50 500 an hour.
TESTS_PER_WEEK = 2000.0
_LEARN_SLOWLY_FROM_WEEKS = 0.6
_LEARN_SLOWLY_AT = 0.05
_LEARN_SLOWLY_BUCKETS = 576  # a surge of two days is the new normal
_CALM_TAIL = math.log10(0.05)
_CALM_BUCKETS = 12
_MAX_WEEKS = 1e12


class Surprise(msgspec.Struct, frozen=True):
    """The most surprising window that ends now: once in `weeks` weeks on this key."""

    weeks: float = 0.0
    buckets: int = HOUR
    observed: int = 0
    expected: float = 0.0


CALM = Surprise()


class Verdict(NamedTuple):
    """What a detector says of one bucket. `change` is "opened", "resolved" or ""."""

    surprise: Surprise
    change: str = ""


class Detector(msgspec.Struct):
    """One key's baseline, last six hours (as running totals) and whether it is surging."""

    baseline: Baseline = msgspec.field(default_factory=Baseline)
    counts: list[float] = msgspec.field(default_factory=lambda: [0.0] * RING)
    capped: list[float] = msgspec.field(default_factory=lambda: [0.0] * RING)
    means: list[float] = msgspec.field(default_factory=lambda: [0.0] * RING)
    at: int = 0
    filled: int = 0
    surging: bool = False
    calm: int = 0
    slow: int = 0
    surprise: Surprise = CALM

    def update(
        self, here: Place, count: int, pool: list[float], weeks: float, min_stories: int
    ) -> tuple[Verdict, float, float]:
        """Judge one bucket, then learn from it.

        Opens on a surprise of once in `weeks` weeks or rarer with `min_stories` or more.
        Returns the verdict, and for the pooled shape the relative volume and its weight.
        """
        mean = self.baseline.mean(here, pool)
        self._push(count, mean)
        surprise = self.surprise = self._surprise(min_stories)
        change = self._turn(surprise, weeks)
        weight = self._weight(surprise)
        relative = self.baseline.learn(here, count, mean, weight)
        return Verdict(surprise, change), relative, weight

    def skip(self) -> None:
        """Pass over a bucket that nobody watched: the windows age, nothing is learned."""
        at = self.at
        self.at = step = (at + 1) % RING
        self.counts[step] = self.counts[at]
        self.capped[step] = self.capped[at]
        self.means[step] = self.means[at]
        self.filled = min(self.filled + 1, RING - 1)

    @property
    def warm(self) -> bool:
        """Whether the baseline has seen enough for more than a provisional word."""
        return self.baseline.known >= WARM_BUCKETS

    def window(self, buckets: int) -> tuple[int, float]:
        """Return observed and expected negative stories of the last buckets."""
        back = (self.at - min(buckets, self.filled)) % RING
        observed = self.counts[self.at] - self.counts[back]
        return round(observed), max(self.means[self.at] - self.means[back], 0.0)

    def upper(self, expected: float) -> float:
        """Return the upper edge of the normal band: two standard deviations."""
        base = self.baseline
        return expected + 2.0 * math.sqrt(base.phi * expected + base.spread() * expected**2)

    def _push(self, count: int, mean: float) -> None:
        base = self.baseline
        at = self.at
        # A cap per bucket: one leaked clump of copies is no surge, an hour of news is. Where
        # news is frequent a clump is little, so the cap lets five times the normal through.
        cap = 5.0 * mean + 4.0 * math.sqrt(base.phi * mean) + 2.0
        self.at = step = (at + 1) % RING
        self.counts[step] = self.counts[at] + count
        self.capped[step] = self.capped[at] + min(float(count), cap)
        self.means[step] = self.means[at] + mean
        self.filled = min(self.filled + 1, RING - 1)

    def _surprise(self, min_stories: int) -> Surprise:
        at = self.at
        longest = (at - min(SCALES[-1], self.filled)) % RING
        if self.capped[at] - self.capped[longest] < min_stories:
            return CALM
        if self.baseline.known < SILENT_BUCKETS:
            return CALM
        tails = [(self._tail(buckets, min_stories), buckets) for buckets in SCALES]
        tail, buckets = min(tails)
        observed, expected = self.window(buckets)
        weeks = min(10.0 ** min(-tail, 20.0) / TESTS_PER_WEEK, _MAX_WEEKS)
        return Surprise(weeks, buckets, observed, expected) if tail < 0 else CALM

    def _tail(self, buckets: int, min_stories: int = 0) -> float:
        back = (self.at - min(buckets, self.filled)) % RING
        count = self.capped[self.at] - self.capped[back]
        mean = self.means[self.at] - self.means[back]
        if count < min_stories or count <= mean:
            return 0.0
        base = self.baseline
        return log10_tail(count, mean, base.phi * mean + base.spread() * mean * mean)

    def _turn(self, surprise: Surprise, weeks: float) -> str:
        if not self.surging:
            self.surging = surprise.weeks >= weeks
            self.calm = 0
            return "opened" if self.surging else ""
        self.calm = self.calm + 1 if self._tail(HOUR) > _CALM_TAIL else 0
        if self.calm < _CALM_BUCKETS:
            return ""
        self.surging = False
        self.filled = 0  # the surge's own hours must not open it again
        return "resolved"

    def _weight(self, surprise: Surprise) -> float:
        suspicious = self.surging or surprise.weeks >= _LEARN_SLOWLY_FROM_WEEKS
        if suspicious and self.slow < _LEARN_SLOWLY_BUCKETS:
            self.slow += 1
            return _LEARN_SLOWLY_AT
        if not suspicious and self.slow > 0:
            self.slow -= 1
        return 1.0
