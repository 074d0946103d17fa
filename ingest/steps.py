"""Rows in order -> steps of the virtual clock. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from .archive import Row
from .errors import ReplayError
from .times import STEP, bucket_start

LATE_ROWS = 500


@dataclass(frozen=True, slots=True)
class Step:
    """Rows that are new within five minutes; or late ones, older than the clock when it started."""

    start: datetime
    rows: tuple[Row, ...]
    late: bool = False

    @property
    def end(self) -> datetime:
        """Where the step's bucket ends."""
        return self.start + STEP


def steps(rows: Iterable[Row], clock: datetime | None) -> Iterator[Step]:
    """Yield late rows first, some at a time, then every five minutes that have rows, in order.

    Lazy, so the rows may be endless. Raises ReplayError if they are not sorted by time.
    """
    for start, group in groupby(_sorted(rows), lambda row: _place(row, clock)):
        if clock is None or start >= clock:
            yield Step(start, tuple(group))
        else:
            yield from _late(clock, group)


def _place(row: Row, clock: datetime | None) -> datetime:
    start = bucket_start(row.published)
    # All late rows form one group, whatever their bucket.
    return start if clock is None or start >= clock else bucket_start(clock) - STEP


def _late(clock: datetime, rows: Iterable[Row]) -> Iterator[Step]:
    waiting: list[Row] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == LATE_ROWS:
            yield Step(clock, tuple(waiting), late=True)
            waiting.clear()
    if waiting:
        yield Step(clock, tuple(waiting), late=True)


def _sorted(rows: Iterable[Row]) -> Iterator[Row]:
    last: datetime | None = None
    for row in rows:
        if last is not None and row.published < last:
            raise ReplayError(f"rows must be sorted by time: {row.published} after {last}")
        last = row.published
        yield row
