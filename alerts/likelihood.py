"""How well a count fits a mean, in each of six worlds from calm to wild: a table, filled as needed.

A count is negative binomial with variance phi m + alpha m^2, or, now and then, has a clump of copies
on top that nobody recognised. Rows are by count and by how often clumps come, columns by the
logarithm of the mean, so that looking up all states of a key is one gather.
"""

import math
import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STEP = 0.06  # of log mean; linear interpolation is off by less than .0005 m / (1 + alpha m)
LOWEST = -18.0
COLUMNS = 484
LEVELS = 9  # points of the slow ups and downs
MAX_COUNT = 1023  # a larger count is looked up as this one, a large mean scaled alike


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
_CLUMPS = np.arange(3, 41)  # copies in one: geometric from 3, with mean 7
_CLUMP_SHARES = 0.8 ** (_CLUMPS - 3.0) / (0.8 ** (_CLUMPS - 3.0)).sum()
_CLUMP_RATE = 0.015  # clumps an hour are this times the root of the stories an hour, day and night
MOST_CLUMPS = 0.2  # a bucket's chance of one, at most
CHANCES = 26  # of a clump, from MOST_CLUMPS down by a factor of the root of two each


def chances(per_hour: Floats, width_s: int) -> NDArray[np.int64]:
    """Return which chance of a clump a bucket has, by a key's stories in an average hour."""
    chance = _CLUMP_RATE * np.sqrt(per_hour) * width_s / 3600.0
    places = np.rint(2.0 * np.log2(MOST_CLUMPS / np.maximum(chance, 1e-9)))
    return np.clip(places, 0, CHANCES - 1).astype(np.int64)


class Table:
    """Log likelihoods by count and chance of a clump, world, and log mean; filled by first use.

    `values` grows, a row at a time: [rows, worlds, columns].
    """

    def __init__(self) -> None:
        self.values = np.zeros((64, len(WORLDS), COLUMNS), np.float32)
        self._rows = np.full((CHANCES, MAX_COUNT + 1), -1)
        self._made = 0
        self._growing = threading.Lock()
        self._plain: dict[int, Floats] = {}
        means = np.exp(LOWEST + STEP * np.arange(COLUMNS))[None]
        phi = np.array([[world.phi] for world in WORLDS])
        alpha = np.array([[world.alpha] for world in WORLDS])
        self._size = means / (phi - 1.0 + alpha * means)
        self._success = np.log(means / (self._size + means))
        self._failure = self._size * np.log(self._size / (self._size + means))

    def rows(self, counts: NDArray[np.int64], chances: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the places of the rows of counts, each with its chance of a clump; make them first."""
        found = self._rows[chances, counts]
        if (found < 0).any():
            with self._growing:
                for chance, count in {*zip(chances.tolist(), counts.tolist(), strict=True)}:
                    if self._rows[chance, count] < 0:
                        self._make(chance, count)
            found = self._rows[chances, counts]
        return found

    def _make(self, chance: int, count: int) -> None:
        if self._made == len(self.values):
            self.values = np.concatenate([self.values, np.zeros_like(self.values)])
        self.values[self._made] = self._row(count, MOST_CLUMPS * 2.0 ** (-chance / 2.0))
        self._rows[chance, count] = self._made
        self._made += 1

    def _row(self, count: int, clump: float) -> Floats:
        plain = self._negative_binomial(count)
        some = count >= _CLUMPS
        if not some.any():
            return plain + math.log1p(-clump)
        rest = np.array([self._negative_binomial(count - int(size)) for size in _CLUMPS[some]])
        most = rest.max(0)
        clumped = most + np.log(np.tensordot(_CLUMP_SHARES[some], np.exp(rest - most), 1))
        both: Floats = np.logaddexp(math.log1p(-clump) + plain, math.log(clump) + clumped)
        return both

    def _negative_binomial(self, count: int) -> Floats:
        if count not in self._plain:
            self._plain[count] = self._fresh(count)
        return self._plain[count]

    def _fresh(self, count: int) -> Floats:
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
