"""Counts that somebody else made, judged as ours are: any keys, any constant width of bins. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from . import state
from .detector import Detectors
from .errors import CountsError
from .keys import DAY_S
from .rules import Rule, Surge
from .shape import Pool
from .surprise import likeliest

# A bin is calm or not: an incident that lingered would be an alarm of its own in the next hour.
AT_ONCE = Rule(min_stories=1, calm_s=0)
_RECORD_WEEKS = 4.0  # a surprise from which its size counts


class Judged(NamedTuple):
    """What was normal in a bin, how surprising it was, and whether an incident is open."""

    expected: float
    score: float
    alert: bool


def width_of(times: Mapping[str, Sequence[int]]) -> int:
    """Return the width of the bins, in seconds: the most common step of a key to its next row.

    `times` are each key's, ascending. Raises CountsError where no key has two times, or where bins
    are wider than a day.
    """
    steps: Counter[int] = Counter()
    for own in times.values():
        steps.update(later - one for one, later in pairwise(own) if later > one)
    if not steps:
        raise CountsError("no key has two times: the width of a bin cannot be told")
    width = min(steps, key=lambda step: (-steps[step], step))
    if width > DAY_S:
        raise CountsError(f"bins of {width} s: they must be a day wide at most")
    return width


class Judge:
    """Judges bins of one width in order of time; keys may join at any time.

    `false_alarms_per_week` is for the whole desk; None means one for each key.
    """

    def __init__(
        self, width_s: int, rule: Rule = AT_ONCE, false_alarms_per_week: float | None = None
    ) -> None:
        self._width_s = width_s
        self._rule = rule
        self._budget = false_alarms_per_week
        self._keys: dict[str, int] = {}
        self._surges: list[Surge] = []
        self._detectors = Detectors(state.fresh(0), Pool(width_s=width_s))

    @property
    def threshold_weeks(self) -> float:
        """The surprise that opens."""
        return len(self._keys) / self._budget if self._budget else 1.0

    def step(self, start: int, counts: Mapping[str, int]) -> dict[str, Judged]:
        """Judge one bin (its start, in seconds since 1970); keys without a count were not watched."""
        self._meet(counts)
        numbers = np.zeros(len(self._keys), np.int64)
        watched = np.zeros(len(self._keys), bool)
        for key, count in counts.items():
            numbers[self._keys[key]], watched[self._keys[key]] = count, True
        self._detectors.step(start, numbers, watched, np.ones(len(numbers), bool))
        return dict(self._decided(start, counts))

    def _decided(self, start: int, counts: Mapping[str, int]) -> Iterator[tuple[str, Judged]]:
        threshold = self.threshold_weeks
        for key in counts:
            number = self._keys[key]
            row = self._detectors.rows[number]
            weeks = float(row["weeks"])
            surge = self._surges[number]
            if surge.on or weeks >= threshold:
                enough = self._rule.min_stories <= 1 or (
                    likeliest(row, start, self._width_s, weeks).observed >= self._rule.min_stories
                )
                surge, _turn = surge.turn(weeks, threshold, self._rule, self._width_s, enough=enough)
                self._surges[number] = surge
            yield key, Judged(float(row["mean"]), score(weeks, float(row["size"])), surge.on)

    def _meet(self, counts: Mapping[str, int]) -> None:
        new = sorted(set(counts).difference(self._keys))
        if not new:
            return
        rows = np.concatenate([self._detectors.rows, state.fresh(len(new))])
        for key in new:
            self._keys[key] = len(self._keys)
            self._surges.append(Surge())
        self._detectors = Detectors(rows, self._detectors.pool)


def score(weeks: float, size: float) -> float:
    """Put surprise into one number for all keys, rising: weeks / (1 + weeks), so .5 is once a week.

    Beyond once in four weeks surprise says little more, and what is the largest count of its key in
    24 hours scores 1 and how large it is, in the key's own usual deviations.
    """
    if weeks >= _RECORD_WEEKS and size > 0:
        return 1.0 + size
    return weeks / (1.0 + weeks)
