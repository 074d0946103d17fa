"""Counts that somebody else made, judged as ours are: any keys, any constant width of bins. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import state
from .calendar import EVERY_WEEK_ALIKE, Calendar
from .detector import SILENT_BUCKETS, SILENT_S, Detectors
from .rules import Rule, Surge
from .shape import HOUR_S, Pool
from .surprise import likeliest

# A bin is calm or not: an incident that lingered would be an alarm of its own in the next hour. So
# that it does not come and go, another within half a day must be worse.
AT_ONCE = Rule(min_stories=1, resolve_below=1.0, calm_s=0, cooldown_s=0, refractory_s=12 * HOUR_S)
_TIMES = 1e6
_NEAR = 0.1  # jitter of less than this share of a bin moves no grid
# Seconds; counts are made for widths like these, and jitter must not make 901 of 900.
_USUAL_WIDTHS = tuple(
    part * unit
    for unit, parts in ((1, (1, 5, 10, 15, 20, 30)), (60, (1, 2, 5, 10, 15, 20, 30)),
                        (HOUR_S, (1, 2, 3, 4, 6, 8, 12, 24, 168)))
    for part in parts
)  # fmt: skip


class Judged(NamedTuple):
    """What was normal in a bin, how surprising it was, and whether an incident is open."""

    expected: float
    score: float
    alert: bool


class Grid(NamedTuple):
    """Bins of `width_s` seconds that start at `phase` seconds and whole widths from it."""

    width_s: int
    phase: int

    def starts(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nearest start of a bin to each time."""
        nearest = (times - self.phase + self.width_s // 2) // self.width_s
        return np.asarray(nearest * self.width_s + self.phase)


def grid_of(times: NDArray[np.int64], keys: NDArray[np.int64]) -> Grid:
    """Find the grid on which rows (a time in seconds and a key each) lie, but for some jitter.

    The width is the most common step of a key to its next time; where no key has two times, of
    all times; an hour where there is only one. A width or a phase that is nearly a usual one is that.
    """
    order = np.lexsort((times, keys))
    steps = np.diff(times[order])[np.diff(keys[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        steps = np.diff(np.unique(times))
    if not len(steps):
        return Grid(HOUR_S, int(times[0]) % HOUR_S if len(times) else 0)
    width = _usual(steps)
    phases, often = np.unique(times % width, return_counts=True)
    phase = int(phases[often.argmax()])
    return Grid(width, 0 if min(phase, width - phase) <= _NEAR * width else phase)


def _usual(steps: NDArray[np.int64]) -> int:
    """Return the most common step, or the usual width near which steps are the most common.

    A step that most others are exactly is taken as it is.
    """
    found, often = np.unique(steps, return_counts=True)
    most = int(often.argmax())
    if 2 * often[most] > len(steps):
        return int(found[most])
    near = [int(often[abs(found - usual) <= _NEAR * usual].sum()) for usual in _USUAL_WIDTHS]
    best = int(np.argmax(near))
    return _USUAL_WIDTHS[best] if near[best] > often[most] else int(found[most])


class Judge:
    """Judges bins of one width in order of time; keys may join at any time.

    A key is listened to for two days (24 bins at least) before anything is said, as in the desk; it
    is then learned from at once, from the level that it showed: counts may be of any size, and a
    level that began at none would take the first of them for a rhythm of the week.
    `false_alarms_per_week` is for the whole desk; None means one for each key.
    """

    def __init__(
        self, width_s: int, rule: Rule = AT_ONCE, false_alarms_per_week: float | None = None,
        calendar: Calendar = EVERY_WEEK_ALIKE,
    ) -> None:  # fmt: skip
        self._width_s = width_s
        self._calendar = calendar
        self._rule = rule
        self._budget = false_alarms_per_week
        self._keys: dict[str, int] = {}
        self._surges: list[Surge] = []
        self._young: dict[str, dict[int, int]] = {}  # what was heard so far
        self._detectors = Detectors(state.fresh(0), Pool(width_s=width_s), calendar)

    @property
    def threshold_weeks(self) -> float:
        """The surprise that opens."""
        return len(self._keys) / self._budget if self._budget else 1.0

    def step(self, start: int, counts: Mapping[str, int]) -> dict[str, Judged]:
        """Judge one bin (its start, in seconds since 1970); keys without a count were not watched."""
        self._meet(counts)
        grown = {key: count for key, count in counts.items() if key not in self._young}
        self._advance(self._detectors, start, self._cut(grown), self._keys)
        said = dict(self._decided(start, grown))
        heard = [key for key in counts if key in self._young]
        for key in heard:
            before = self._young[key]
            said[key] = Judged(sum(before.values()) / max(len(before), 1), 0.0, alert=False)
            before[start] = counts[key]
        self._grow([key for key in heard if self._enough(len(self._young[key]))])
        return said

    def _decided(self, start: int, counts: Mapping[str, int]) -> Iterator[tuple[str, Judged]]:
        threshold = self.threshold_weeks
        for key, count in counts.items():
            number = self._keys[key]
            row = self._detectors.rows[number]
            weeks = float(row["weeks"])
            surge = self._surges[number]
            if surge.on or weeks >= threshold:
                enough = count >= self._rule.min_stories or (
                    likeliest(row, start, self._width_s, weeks).observed >= self._rule.min_stories
                )
                surge, _turn = surge.turn(
                    weeks, threshold, self._rule, start, self._width_s, enough=enough
                )
                self._surges[number] = surge
            yield key, Judged(float(row["mean"]), score(weeks, float(row["size"])), surge.on)

    def _cut(self, counts: Mapping[str, int]) -> dict[str, int]:
        """Cut what is a million times the normal: the likelihoods end there, and it says no more."""
        means = self._detectors.rows["mean"]
        return {
            key: min(count, int(_TIMES * (means[self._keys[key]] + 1.0))) for key, count in counts.items()
        }

    def _meet(self, counts: Mapping[str, int]) -> None:
        new = sorted(set(counts).difference(self._keys))
        if not new:
            return
        self._detectors.rows = np.concatenate([self._detectors.rows, state.fresh(len(new))])
        for key in new:
            self._keys[key] = len(self._keys)
            self._surges.append(Surge())
            self._young[key] = {}

    def _enough(self, bins: int) -> bool:
        return bins >= SILENT_BUCKETS and bins * self._width_s >= SILENT_S

    def _grow(self, keys: Sequence[str]) -> None:
        """Learn from all that was heard of keys that are young no more."""
        if not keys:
            return
        heard = {key: self._young.pop(key) for key in sorted(keys)}
        rows = state.fresh(len(heard))
        rows["stories"] = [
            sum(counts.values()) / len(counts) * HOUR_S / self._width_s for counts in heard.values()
        ]  # an hour's worth: as much as the level before anything was seen weighs
        learning = Detectors(rows, self._detectors.pool, self._calendar)
        numbers = {key: number for number, key in enumerate(heard)}
        for start in sorted(set().union(*heard.values())):
            here = {key: counts[start] for key, counts in heard.items() if start in counts}
            self._advance(learning, start, here, numbers)
        self._detectors.rows[[self._keys[key] for key in heard]] = learning.rows

    @staticmethod
    def _advance(
        detectors: Detectors, start: int, counts: Mapping[str, int], numbers: Mapping[str, int]
    ) -> None:
        values = np.zeros(len(numbers), np.int64)
        watched = np.zeros(len(numbers), bool)
        for key, count in counts.items():
            values[numbers[key]], watched[numbers[key]] = count, True
        detectors.step(start, values, watched, np.ones(len(values), bool))


def score(weeks: float, size: float) -> float:
    """Put surprise into one number for all keys, rising: weeks / (1 + weeks), so .5 is once a week.

    Beyond once in four weeks surprise says little more, and what is the largest such count of its key
    in 24 hours scores 1 and how large it is, in the key's own usual deviations.
    """
    return 1.0 + size if size > 0 else weeks / (1.0 + weeks)
