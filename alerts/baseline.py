"""What is normal for one key: level x shape, learned as it goes, in constant memory.

The level forgets with a half-life of three days, the key's own hours with eight weeks.
The variance phi*m + alpha*m^2 is learned too: phi from single buckets, alpha (shared
ups and downs over hours) from whole hours. Counts far above are winsorised before they
are learned, a surge is learned at a twentieth, a holiday at a tenth.
"""

import math

import msgspec

from .keys import WEEK_BUCKETS
from .shape import HOURS, Place

_LEVEL_FORGET = 0.5 ** (1.0 / (288 * 3))
_HOUR_FORGET = 0.5 ** (1.0 / (12 * 8))
_CALM_FORGET = 0.5 ** (1.0 / 24)  # about three hours
_PHI_FORGET = 0.5 ** (1.0 / (288 * 14))
_ALPHA_FORGET = 0.5 ** (1.0 / (24 * 21))
_LEVEL_PRIOR = 0.5  # stories in
_LEVEL_PRIOR_BUCKETS = 12.0
_OWN_HOURS = 6.0  # stories that a key's own hour must show before it outweighs the pool
_OWN_HOURS_MIN, _OWN_HOURS_MAX = 60.0, 600.0
_ALPHA_PRIOR, _ALPHA_PRIOR_WEIGHT = 0.15, 30.0
_HEAVY_TAIL = 2.0
_ROUGH_BUCKETS = 576  # before, winsorising would hold a fast key down
_ORDINARY = 0.5  # the weight from which a bucket teaches the variance
_HOUR_BUCKETS = 12
_PHI_PRIOR, _PHI_PRIOR_WEIGHT = 1.2, 130.0


class Baseline(msgspec.Struct):
    """One key's normal volume. `known` counts the buckets that it has learned from."""

    known: int = 0
    seen: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    visits: list[float] = msgspec.field(default_factory=lambda: [0.0] * HOURS)
    stories: float = 0.0
    exposure: float = 0.0
    phi: float = 1.3
    alpha: float = _ALPHA_PRIOR
    recent_observed: float = 0.0
    recent_expected: float = 0.0
    bucket_residuals: float = 0.0
    bucket_means: float = 0.0
    hour_residuals: float = 0.0
    hour_squares: float = 0.0
    hour_observed: float = 0.0
    hour_expected: float = 0.0
    hour_buckets: int = 0

    def level(self) -> float:
        """Negative stories of an average bucket."""
        return (self.stories + _LEVEL_PRIOR) / (self.exposure + _LEVEL_PRIOR_BUCKETS)

    def mean(self, here: Place, pool: list[float]) -> float:
        """Negative stories that are normal in the bucket at this place of the week."""
        level = self.level()
        weight = min(max(_OWN_HOURS / level, _OWN_HOURS_MIN), _OWN_HOURS_MAX)
        low, high = here.low, here.high
        at_low = (self.seen[low] + weight * pool[low]) / (self.visits[low] + weight)
        at_high = (self.seen[high] + weight * pool[high]) / (self.visits[high] + weight)
        return max(level * (at_low + (at_high - at_low) * here.part), 1e-6)

    def spread(self) -> float:
        """Relative variance to judge by: shared ups and downs, and our ignorance of the level.

        Ups and downs have a heavier tail than the gamma distribution behind the negative
        binomial, and some outlast a window: judging by twice what was learned holds the
        false alarms at 500 stories an hour to the budget, where once gave 7 a week.
        """
        return _HEAVY_TAIL * self.alpha + 1.0 / (self.stories + _LEVEL_PRIOR)

    def learn(self, here: Place, count: float, mean: float, weight: float) -> float:
        """Learn from one bucket; returns the count as learned, relative to the level."""
        self.known += 1
        deviation = math.sqrt(self.phi * mean + self.alpha * mean * mean)
        count = min(count, mean + 2.5 * deviation + 1.0) if self.known > _ROUGH_BUCKETS else count
        if self._is_holiday(count, mean):
            weight *= 0.1
        level = self.level()
        hour = here.hour
        self.seen[hour] = _HOUR_FORGET * self.seen[hour] + weight * count / level
        self.visits[hour] = _HOUR_FORGET * self.visits[hour] + weight
        self.stories = _LEVEL_FORGET * self.stories + weight * count
        self.exposure = _LEVEL_FORGET * self.exposure + weight * mean / level
        if weight > _ORDINARY and self.known > WEEK_BUCKETS:
            self._learn_spread(count, mean)
        return count / level

    def _is_holiday(self, count: float, mean: float) -> bool:
        """Say whether the last three hours or so were far too quiet to be an ordinary day."""
        self.recent_observed = _CALM_FORGET * self.recent_observed + count
        self.recent_expected = _CALM_FORGET * self.recent_expected + mean
        expected = self.recent_expected
        quiet = 0.55 * expected - 2.5 * math.sqrt(self.phi * expected)
        return self.known > WEEK_BUCKETS and self.recent_observed < quiet

    def _learn_spread(self, count: float, mean: float) -> None:
        self.bucket_residuals = _PHI_FORGET * self.bucket_residuals + (count - mean) ** 2
        self.bucket_means = _PHI_FORGET * self.bucket_means + mean
        self.hour_observed += count
        self.hour_expected += mean
        self.hour_buckets += 1
        if self.hour_buckets == _HOUR_BUCKETS:
            self._close_hour()
        if self.known % 288 == 0:
            self._estimate()

    def _close_hour(self) -> None:
        residual = (self.hour_observed - self.hour_expected) ** 2 - self.phi * self.hour_expected
        self.hour_residuals = _ALPHA_FORGET * self.hour_residuals + residual
        self.hour_squares = _ALPHA_FORGET * self.hour_squares + self.hour_expected**2
        self.hour_observed = self.hour_expected = 0.0
        self.hour_buckets = 0

    def _estimate(self) -> None:
        if self.bucket_means < 288 * 60:  # at large means one bucket shows alpha, not phi
            phi = (self.bucket_residuals + _PHI_PRIOR_WEIGHT * _PHI_PRIOR) / (
                self.bucket_means + _PHI_PRIOR_WEIGHT
            )
            self.phi = min(max(phi, 1.05), 4.0)
        else:
            self.phi = 1.3
        alpha = (self.hour_residuals + _ALPHA_PRIOR * _ALPHA_PRIOR_WEIGHT) / (
            self.hour_squares + _ALPHA_PRIOR_WEIGHT
        )
        self.alpha = min(max(alpha, 0.02), 1.0)
