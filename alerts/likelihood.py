"""How well a count fits a mean, in each of six worlds from calm to wild: a table, filled as needed.

A count is negative binomial with variance phi m + alpha m^2, or, now and then, has a clump of copies
on top that nobody recognised. Rows are by count, columns by the logarithm of the mean, so that
looking up all states of a key is one gather.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEP = 0.06  # of log mean; linear interpolation is off by less than .0005 m / (1 + alpha m)
LOWEST = -18.0
COLUMNS = 484
LEVELS = 9  # points of the slow ups and downs
MAX_COUNT = 1023  # a larger count is looked up as this one, its mean scaled alike


Floats = NDArray[np.float64]


class World(NamedTuple):
    """How restless a key's counts are, from bucket to bucket (phi, alpha) and over hours.

    The slow ups and downs are an autoregression of log volume: the spread between neighbouring grid
    points, in STEPs, and the memory, in seconds.
    """

    spacing: int
    memory_s: float
    phi: float
    alpha: float

    @property
    def deviation(self) -> float:
        """Standard deviation of log volume."""
        return self.spacing * STEP * math.sqrt(LEVELS - 1) / 2.0

    @property
    def variation(self) -> float:
        """Relative variance over a window: of each bucket by itself, and of the slow ups and downs."""
        return self.alpha + math.expm1(self.deviation**2)


# Standard deviations of log volume .17, .34, .59, .59, .93, .93 (nine grid points, binomial weights).
WORLDS = (
    World(2, 3 * 3600.0, 1.1, 0.03),
    World(4, 3 * 3600.0, 1.3, 0.1),
    World(7, 3 * 3600.0, 1.3, 0.1),
    World(7, 6 * 3600.0, 1.6, 0.2),
    World(11, 3 * 3600.0, 1.3, 0.1),
    World(11, 6 * 3600.0, 2.5, 0.4),
)
_CLUMPS = np.array([3, 4, 5, 6, 8, 11, 16, 26])  # geometric from 3 with mean 7, as few points
_CLUMP_SHARES = np.array([0.2, 0.16, 0.128, 0.102, 0.16, 0.13, 0.09, 0.03])
_CLUMP_RATE = 0.01  # clumps an hour are this times the root of the stories an hour


class Table:
    """Log likelihoods by count, world and log mean; filled by the first use of each count."""

    def __init__(self) -> None:
        shape = (MAX_COUNT + 1, len(WORLDS), COLUMNS)
        self.values = np.zeros(shape, np.float32)
        self._filled = np.zeros(MAX_COUNT + 1, bool)
        means = np.exp(LOWEST + STEP * np.arange(COLUMNS))[None]
        phi = np.array([[world.phi] for world in WORLDS])
        alpha = np.array([[world.alpha] for world in WORLDS])
        self._size = means / (phi - 1.0 + alpha * means)
        self._success = np.log(means / (self._size + means))
        self._failure = self._size * np.log(self._size / (self._size + means))
        self._clump = np.minimum(_CLUMP_RATE * np.sqrt(12.0 * means) / 12.0, 0.2)

    def fill(self, counts: NDArray[np.int64]) -> None:
        """Make the rows of these counts."""
        for count in np.unique(counts[~self._filled[counts]]):
            self.values[count] = self._row(int(count))
            self._filled[count] = True

    def _row(self, count: int) -> Floats:
        plain = self._negative_binomial(count)
        some = count >= _CLUMPS
        if not some.any():
            return plain
        rest = [self._negative_binomial(count - int(size)) for size in _CLUMPS[some]]
        clumped = np.tensordot(_CLUMP_SHARES[some], np.exp(rest), 1)
        both: Floats = (1.0 - self._clump) * np.exp(plain) + self._clump * clumped
        return np.log(both + 1e-300)

    def _negative_binomial(self, count: int) -> Floats:
        """Return log P(count): Gamma(n + r) / (Gamma(r) n!) p^r (1 - p)^n."""
        rising = _log_rising(self._size, count) - math.lgamma(count + 1.0)
        found: Floats = rising + self._failure + count * self._success
        return found


def _log_rising(start: Floats, count: int) -> Floats:
    """Return log Gamma(start + count) - log Gamma(start).

    Eight factors by themselves, what is beyond by Stirling's series, which is exact to 1e-10 from 8 on.
    """
    near = min(count, 8)
    head: Floats = sum((np.log(start + k) for k in range(near)), np.zeros_like(start))
    return head if count == near else head + _stirling(start + count) - _stirling(start + near)


def _stirling(x: Floats) -> Floats:
    inverse = 1.0 / x
    series = inverse * (1.0 / 12.0 - inverse**2 * (1.0 / 360.0 - inverse**2 / 1260.0))
    found: Floats = (x - 0.5) * np.log(x) - x + series
    return found


TABLE = Table()
