"""How surprising is each key's volume? All keys at once, one bucket after the other.

Pure: no clock, no chance, no rules. A row of `state.ROW` is all there is of a key; stored and read
again it goes on bit for bit, whatever other keys are judged beside it (but for what the pooled shape
learns from them). What a surprise leads to is decided in `surge`.
"""

import numpy as np
from numpy.typing import NDArray

from . import baseline, rhythm, state
from .burst import Filter, Said
from .calendar import EVERY_WEEK_ALIKE, Calendar
from .keys import DAY_S, MAX_WEEKS, WEEK_S
from .shape import HOUR_S, Place, Pool, place
from .state import Rows

SILENT_S = 2 * DAY_S  # nothing is said at all, nor before so many buckets
SILENT_BUCKETS = 24
WARM_S = 2 * WEEK_S  # until then incidents are provisional
_SIZE_HALF_S, _USUAL_HALF_S = 4 * DAY_S, 3 * DAY_S
RECORD = 7.0  # size times weeks of surprise, from which the size counts

Floats = NDArray[np.float64]


class Detectors:
    """The rows of some keys and their pooled shape, for buckets of one width in seconds.

    `coverage`, in any unit, is how much of the news is heard now: what is normal is proportional to it.
    """

    def __init__(self, rows: Rows, pool: Pool, calendar: Calendar = EVERY_WEEK_ALIKE) -> None:
        self.rows = rows
        self.pool = pool
        self._calendar = calendar
        self.width_s = pool.width_s
        self.coverage = 1.0
        self._filter = Filter(pool.width_s)

    def place(self, bucket: int) -> Place:
        """Find where in the week a bucket's news is as usual; a holiday is a Sunday."""
        return place(self._calendar.like(bucket), self.width_s)

    def step(
        self, bucket: int, counts: NDArray[np.int64], watched: NDArray[np.bool_],
        pooled: NDArray[np.bool_],
    ) -> Floats:  # fmt: skip
        """Judge one bucket (its start, in seconds), then learn from it: once in so many weeks.

        Where nobody watched, windows age and nothing is learned. The keys that are `pooled`
        teach the shape of the week that all share.
        """
        rows, width = self.rows, self.width_s
        here = self.place(bucket)
        levels = baseline.level(rows, width, self.coverage)
        means = baseline.mean(rows, levels, here, self.pool)
        slot = bucket // width % state.RING
        rows["counts"][:, slot] = np.where(watched, counts, 0)
        rows["means"][:, slot] = np.where(watched, means, 0.0)
        per_hour = levels * HOUR_S / width
        said = self._believe(means, counts, watched, per_hour)
        weeks = surprise(said.odds, per_hour, rows["known"] * width)
        rows["weeks"], rows["mean"] = weeks, means
        self._measure(bucket, counts, watched)
        self._learn(here, counts, means, levels, said.normal, watched, pooled)
        return weeks

    def if_counted(
        self, before: Rows, after: Rows, bucket: int, counts: NDArray[np.int64]
    ) -> Rows:
        """Return a key's row (given as before and after the bucket) for each of other counts.

        What it learned from the bucket stays, since no surprise of this bucket rests on it.
        """
        many, width = len(counts), self.width_s
        per_hour = baseline.level(before, width, self.coverage) * HOUR_S / width
        belief, said = self._filter.step(
            np.repeat(before["belief"], many, 0), np.repeat(after["mean"], many), counts,
            np.ones(many, bool), np.repeat(per_hour, many),
        )
        rows = np.repeat(after, many)
        rows["belief"] = belief
        rows["counts"][:, bucket // width % state.RING] = counts
        rows["weeks"] = surprise(said.odds, per_hour, before["known"] * width)
        return rows

    def _believe(
        self, means: Floats, counts: NDArray[np.int64], watched: NDArray[np.bool_],
        per_hour: Floats,
    ) -> Said:  # fmt: skip
        """Advance the belief of the keys that have seen two days; the others believe in calm."""
        rows = self.rows
        silent = np.maximum(SILENT_S / self.width_s, SILENT_BUCKETS)
        speaks = np.flatnonzero(rows["known"] >= silent)
        said = Said(np.ones(len(rows)), np.zeros(len(rows)))
        if len(speaks):
            belief, some = self._filter.step(
                rows["belief"][speaks], means[speaks], counts[speaks], watched[speaks],
                per_hour[speaks],
            )
            rows["belief"][speaks] = belief
            said.normal[speaks] = some.normal
            said.odds[speaks] = some.odds
        return said

    def _measure(
        self, bucket: int, counts: NDArray[np.int64], watched: NDArray[np.bool_]
    ) -> None:
        """Note how large a surprising count is against the key's own usual deviation, bursts included.

        0 where it is no surprise or no record of the last 24 hours. A key of wild volume earns a wide band.
        """
        rows = self.rows
        usual = (rows["usual"] + 0.5) / (rows["usual_weight"] + HOUR_S / self.width_s)
        spread = np.sqrt(np.maximum(rows["squares"], 0.05) * (usual + 0.5))
        size = np.where(watched, np.maximum(counts - usual, 0.0), 0.0) / spread
        counted = size * rows["weeks"] >= RECORD * seen_share(rows["known"] * self.width_s)
        size = np.where(counted, size, 0.0)
        hour = bucket // HOUR_S % state.DAY_HOURS
        if bucket % HOUR_S < self.width_s:
            rows["peaks"][:, hour] = 0.0
        rows["size"] = np.where(size > rows["peaks"].max(1), size, 0.0)
        rows["peaks"][:, hour] = np.maximum(rows["peaks"][:, hour], size)
        share = -np.expm1(-np.log(2.0) * self.width_s / _SIZE_HALF_S)
        weight = rows["squares_weight"] * (1.0 - share) + share
        rows["squares_weight"] = np.where(watched, weight, rows["squares_weight"])
        square = (counts - usual) ** 2 / (usual + 0.5)
        rows["squares"] += np.where(watched, share / weight * (square - rows["squares"]), 0.0)
        cut = usual + 2.5 * np.sqrt(1.3 * usual + 0.1 * usual**2) + 1.0
        learned = np.where(rows["known"] * self.width_s < 2 * DAY_S, counts, np.minimum(counts, cut))
        forget = np.where(watched, 0.5 ** (self.width_s / _USUAL_HALF_S), 1.0)
        rows["usual"] = forget * rows["usual"] + np.where(watched, learned, 0.0)
        rows["usual_weight"] = forget * rows["usual_weight"] + watched

    def _learn(
        self, here: Place, counts: NDArray[np.int64], means: Floats, levels: Floats, normal: Floats,
        watched: NDArray[np.bool_], pooled: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        seen = np.flatnonzero(watched)
        if not len(seen):
            return
        rows = self.rows[seen]
        stories, flat = baseline.learn(
            rows, here, self.width_s, counts[seen].astype(np.float64), means[seen], levels[seen],
            normal[seen], self.coverage,
        )  # fmt: skip
        rhythm.choose(rows, levels[seen], self.pool)
        self.rows[seen] = rows
        teachers = pooled[seen]
        if teachers.any():
            self.pool.learn(here, float(stories[teachers].sum()), float(flat[teachers].sum()))


def surprise(odds: Floats, per_hour: Floats, known_s: Floats) -> Floats:
    """Say once in how many weeks of background alone the odds of a burst get so high.

    Odds above A come about hazard / A times (the filter is a Shiryaev-Roberts procedure), less what
    they jump over: fitted on simulated backgrounds from .02 to 500 an hour, calm and restless, with
    clumps of copies now and then, to how often an incident opens by such a threshold. Where a story is
    rare one more is a long jump, so odds say less than they are worth (`lone`). In its first week
    a key has seen too little to promise much.
    """
    rarity = np.log10(np.maximum(per_hour, 1e-3) / 8.0)
    rarer, busier = np.maximum(-rarity, 0.0), np.maximum(rarity, 0.0)
    lone = 10.0 ** (0.8 * np.clip(rarer - 1.3, 0.0, 1.3))
    steep = 1.2 + 0.3 * np.minimum(rarer, 2.6)
    found = (1.2 + 0.9 * rarer + 0.65 * np.minimum(busier, 1.0)) * lone * odds**steep
    weeks: Floats = np.minimum(found, MAX_WEEKS)
    return weeks * seen_share(known_s)


def seen_share(known_s: Floats) -> Floats:
    """Say what share of a surprise to believe: from nothing up to all in the first week."""
    share: Floats = np.minimum(known_s / WEEK_S, 1.0) ** 2
    return share
