"""Is a key in a burst? A Bayes filter over what cannot be seen: a hidden Markov model.

Hidden are the burst (none; a quiet day; 2, 3.5 or 8 times the normal, and now and then any count at all,
short or long), the slow ups and downs of volume that are no burst (an Ehrenfest chain on nine points: an
autoregression with binomial weights), and which of six worlds the key lives in, by which it learns its own
restlessness.
After each bucket the belief is what all buckets so far say. A belief is an array
[keys, worlds, states, levels] of float32 that sums to one per key; the same key gets the same bits
whatever other keys are beside it.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .likelihood import COLUMNS, LEVELS, LOWEST, MAX_COUNT, STEP, TABLE, WORLDS, chances

_FACTORS = (0, -20, 12, 21, 35)  # log factors in STEPs: normal; .30; 2.05, 3.5, 8.2
_LENGTHS_S = (25 * 60.0, 200 * 60.0)
_BURSTS = len(_FACTORS) - 2
STATES = 2 + _BURSTS * len(_LENGTHS_S)
BELIEF = (len(WORLDS), STATES, LEVELS)
_BETWEEN_BURSTS_S = 40 * 3600.0
_BETWEEN_QUIET_DAYS_S, _QUIET_S = 20 * 86_400.0, 200 * 300.0
_MOST_TURNED = 0.5  # in wider buckets more than one of the coins is turned
_TELLING = 64.0  # from here on a mean is told from others by its ratio to the count alone
# One bucket of a burst in 300 has any count, evenly by its logarithm: what no factor foretells is no calm.
_ANY, _BEYOND = 0.003 / math.log(1e4), 8.0
_FORGET = np.float32(1e-5)  # a bucket's share of belief that begins anew: worlds may change

Belief = NDArray[np.float32]


class Said(NamedTuple):
    """Of each key the probability of the normal state, and the odds of a burst."""

    normal: NDArray[np.float64]
    odds: NDArray[np.float64]


def prior() -> Belief:
    """Return the belief of a key that was never seen: no burst, any world."""
    belief = np.zeros(BELIEF, np.float32)
    belief[:, 0] = _weights() / len(WORLDS)
    return belief


def _weights() -> Belief:
    points = LEVELS - 1
    return np.array([math.comb(points, k) * 0.5**points for k in range(LEVELS)], np.float32)


def _mixing(turns: NDArray[np.float64]) -> Belief:
    """Return, per world, how likely each level is followed by each where all coins are turned at once.

    From k heads: those of k coins that stay, and those of the others that are turned.
    """
    points = LEVELS - 1
    rows = []
    for turned in turns:
        coin = {True: np.array([turned, 1.0 - turned]), False: np.array([1.0 - turned, turned])}
        for level in range(LEVELS):
            row = np.ones(1)
            for number in range(points):
                row = np.convolve(row, coin[number < level])
            rows.append(row)
    return np.array(rows, np.float32).reshape(len(turns), LEVELS, LEVELS)


class Filter:
    """The model for buckets of one width, in seconds."""

    def __init__(self, width_s: int) -> None:
        self._width_s = width_s
        points = np.arange(LEVELS)
        # Each of eight coins is turned with this chance a bucket: correlation exp(-width / memory).
        turns = np.array([-math.expm1(-width_s / w.memory_s) / 2.0 for w in WORLDS])[:, None]
        shape = (len(WORLDS), 1, LEVELS)
        self._stay = (1.0 - turns * (LEVELS - 1)).astype(np.float32).reshape(-1, 1, 1)
        self._up = (turns * (LEVELS - 1 - points)).astype(np.float32).reshape(shape)[:, :, :-1]
        self._down = (turns * points).astype(np.float32).reshape(shape)[:, :, 1:]
        self._mix = _mixing(turns[:, 0]) if (turns * (LEVELS - 1)).max() > _MOST_TURNED else None
        ends = [min(width_s / length, 1.0) for length in _LENGTHS_S]
        self._end = np.array(ends * _BURSTS, np.float32).reshape(-1, 1)
        self._begin = np.float32(min(width_s / _BETWEEN_BURSTS_S, 0.2) / (STATES - 2))
        self._quiet_begin = np.float32(min(width_s / _BETWEEN_QUIET_DAYS_S, 0.2))
        self._quiet_end = np.float32(min(width_s / _QUIET_S, 1.0))
        self._start = _FORGET * prior()

    def step(
        self, belief: Belief, means: NDArray[np.float64], counts: NDArray[np.int64],
        watched: NDArray[np.bool_], per_hour: NDArray[np.float64],
    ) -> tuple[Belief, Said]:  # fmt: skip
        """Return the belief one bucket later; where nobody watched, only time has passed.

        `means` are what is normal in the bucket, `per_hour` in an average hour.
        """
        after = self._pass(belief)
        fit = _fit(means, counts, chances(per_hour, self._width_s))
        fit[~watched] = 1.0
        after[:, :, :2] *= fit[:, :, :2]
        bursts = after[:, :, 2:].reshape(len(after), len(WORLDS), _BURSTS, -1, LEVELS)
        bursts *= fit[:, :, 2:, None]
        after /= after.sum((1, 2, 3), keepdims=True)
        after *= np.float32(1.0) - _FORGET
        after += self._start
        calm = after[:, :, :2].sum((1, 2, 3), dtype=np.float64)
        odds = after[:, :, 2:].sum((1, 2, 3), dtype=np.float64) / np.maximum(calm, 1e-30)
        return after, Said(after[:, :, 0].sum((1, 2), dtype=np.float64), odds)

    def _pass(self, belief: Belief) -> Belief:
        """Let a bucket's time pass: volume wanders, bursts and quiet days begin and end."""
        if self._mix is None:
            moved = belief * self._stay
            moved[..., 1:] += belief[..., :-1] * self._up
            moved[..., :-1] += belief[..., 1:] * self._down
        else:
            moved = belief @ self._mix
        normal, quiet, bursts = moved[:, :, 0], moved[:, :, 1], moved[:, :, 2:]
        ended = (bursts * self._end).sum(2) + quiet * self._quiet_end
        begun = normal * self._begin
        bursts *= 1 - self._end
        bursts += begun[:, :, None]
        quiet *= 1 - self._quiet_end
        quiet += normal * self._quiet_begin
        normal *= 1 - self._quiet_begin - self._begin * (STATES - 2)
        normal += ended
        return moved


def _offsets() -> NDArray[np.int64]:
    """Return, in columns of the table, how far from the mean each factor and level lies.

    exp(x - sd^2 / 2) with x normal has mean one: the ups and downs leave the mean where it is.
    """
    middle = np.arange(LEVELS) - (LEVELS - 1) // 2
    rows = []
    for world in WORLDS:
        centre = -round(world.deviation**2 / 2.0 / STEP)
        rows.append([factor + centre + world.spacing * middle for factor in _FACTORS])
    return np.array(rows, np.int64)


_OFFSETS = _offsets()
_WORLD_ROWS = (np.arange(len(WORLDS)) * COLUMNS).reshape(-1, 1, 1)


def _fit(
    means: NDArray[np.float64], counts: NDArray[np.int64], clumps: NDArray[np.int64]
) -> Belief:
    """Return how well each factor and level fits, [keys, worlds, factors, levels], at best 1."""
    shown = np.minimum(counts, MAX_COUNT)
    rows = TABLE.rows(shown, clumps)
    scaled = np.maximum(means * (shown + 1.0) / (counts + 1.0), np.minimum(means, _TELLING))
    place = (np.log(scaled) - LOWEST) / STEP
    base = place.astype(np.int64)
    part = (place - base).astype(np.float32).reshape(-1, 1, 1, 1)
    columns = np.clip(base.reshape(-1, 1, 1, 1) + _OFFSETS, 0, COLUMNS - 2)
    columns += _WORLD_ROWS + (rows * (len(WORLDS) * COLUMNS)).reshape(-1, 1, 1, 1)
    flat = TABLE.values.reshape(-1)
    low = flat[columns]
    fit: Belief = low + (flat[columns + 1] - low) * part
    beyond = np.flatnonzero((counts > _BEYOND * means) & (counts > 1))
    if len(beyond):
        of_any_size = np.log(_ANY / (shown[beyond] + 1.0)).astype(np.float32).reshape(-1, 1, 1, 1)
        fit[beyond, :, 2:] = np.logaddexp(fit[beyond, :, 2:], of_any_size)
    fit -= fit.max((1, 2, 3), keepdims=True)
    return np.exp(fit, out=fit)
