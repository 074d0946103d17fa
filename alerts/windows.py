"""Live articles by key and sentiment over the windows that users read, and over those before.

A window and the one before it are cut out of the same sums, so a week needs two weeks of them.
Reading those takes long; what is judged never changes, so `Sums` keeps them and reads only what
an edge has moved over.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from wire.messages import SENTIMENTS

from . import tables
from .keys import BUCKET_S, Key

WINDOWS = {"5m": BUCKET_S, "1h": 3600, "24h": 86_400, "7d": 7 * 86_400}
LONGEST_S = 2 * max(WINDOWS.values())
# Seconds before the end at which some window begins; between two of them stand the parts.
_EDGES = sorted({0, *WINDOWS.values(), *(2 * width for width in WINDOWS.values())})
# Beyond it all is read anew. Retention keeps a day more than the longest windows for it.
MOVES_AT_MOST_S = 86_400

Cells = Counter[tuple[Key, str]]


class Counts(NamedTuple):
    """Articles by sentiment of one key in a window, and in the window just before it."""

    now: Mapping[str, int]
    before: Mapping[str, int]


class Windows:
    """The counts of every key in every window that ends at one time."""

    def __init__(self, parts: Mapping[int, Cells]) -> None:
        self._now = {name: _total(parts, 0, width) for name, width in WINDOWS.items()}
        self._before = {name: _total(parts, width, 2 * width) for name, width in WINDOWS.items()}

    def of(self, key: Key) -> dict[str, Counts]:
        """Return the counts of a key by window; zeros where there was nothing."""
        return {
            name: Counts(_by_sentiment(self._now[name], key), _by_sentiment(self._before[name], key))
            for name in WINDOWS
        }


class Sums:
    """Keeps the sums of the last end that was asked for. Several threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: int | None = None
        self._parts: dict[int, Cells] = {}
        self._windows = Windows({})

    def windows(self, connection: Connection, end: int) -> Windows:
        """Return the windows that end at `end` (seconds), which must be judged."""
        with self._lock:
            moved = None if self._end is None else end - self._end
            if moved is None or not 0 <= moved <= MOVES_AT_MOST_S:
                self._parts = {
                    edge: live(connection, end - older, end - edge) for edge, older in _pairs()
                }
            elif moved:
                self._move(connection, end - moved, end)
            if moved != 0:
                self._end, self._windows = end, Windows(self._parts)
            return self._windows

    def _move(self, connection: Connection, old: int, new: int) -> None:
        """Move every edge: each part gains at its newer edge what it loses at its older one."""
        passed = {edge: live(connection, old - edge, new - edge) for edge in _EDGES}
        for edge, older in _pairs():
            part = self._parts[edge].copy()
            part.update(passed[edge])
            part.subtract(passed[older])
            self._parts[edge] = +part


def live(connection: Connection, start: int, stop: int) -> Cells:
    """Add up the live articles of the buckets `start <= bucket < stop` by key and sentiment."""
    table = tables.sums.c
    within = (table.bucket >= start) & (table.bucket < stop) & (table.arrival == "live")
    key = (table.topic, table.watch, table.sentiment)
    rows = connection.execute(select(*key, func.sum(table.articles)).where(within).group_by(*key))
    return Counter({
        (Key(topic, watch), sentiment): int(articles) for topic, watch, sentiment, articles in rows
    })


def _pairs() -> Iterator[tuple[int, int]]:
    return pairwise(_EDGES)


def _total(parts: Mapping[int, Cells], edge: int, older: int) -> Cells:
    total: Cells = Counter()
    for begin, part in parts.items():
        if edge <= begin < older:
            total.update(part)
    return total


def _by_sentiment(cells: Cells, key: Key) -> dict[str, int]:
    return {sentiment: cells[key, sentiment] for sentiment in SENTIMENTS}
