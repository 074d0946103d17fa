"""From articles to stories: each story counts once per key, where it was first seen.

A copy is no news: within two days of the last copy it changes nothing. Rows that came
late and rows of a backfill never get here.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from .keys import ALL, MICROSECONDS, Key
from .watches import Matcher

LOOK_BACK = 2 * 86_400 * MICROSECONDS


class Row(msgspec.Struct, frozen=True):
    """A counted article, as the judge reads it; `negative` is in millionths."""

    observed_at: int
    id: str
    story_id: str
    bucket: int
    topic: str
    sentiment: str
    negative: int
    title: str
    url: str
    source: str
    model: str = ""


class Rows(Protocol):
    """Rows that may be judged (live, in time), in order of (observed_at, id)."""

    def between(self, start: int, stop: int) -> Sequence[Row]:
        """Return the rows of the buckets `start <= bucket < stop`."""

    def earlier(self, stories: Iterable[str], since: int, before: int) -> Sequence[Row]:
        """Return the rows of these stories with `since <= observed_at < before` (microseconds)."""


class First(msgspec.Struct, frozen=True):
    """A row that is the first of its story on these keys."""

    row: Row
    keys: tuple[Key, ...]


def keys_of(row: Row, matcher: Matcher) -> list[Key]:
    """List what a row counts for: everything, its topic, and the watches it is about."""
    watches = [Key("", watch) for watch in matcher.subjects(row.title)]
    return [ALL, Key(row.topic, ""), *watches]


def firsts(rows: Rows, start: int, stop: int, matcher: Matcher) -> list[First]:
    """List the rows of the buckets `start <= bucket < stop` that are news on some key."""
    present = rows.between(start, stop)
    if not present:
        return []
    begin = present[0].observed_at
    stories = {row.story_id for row in present}
    last: dict[tuple[str, Key], int] = {}
    for row in rows.earlier(stories, begin - LOOK_BACK, begin):
        for key in keys_of(row, matcher):
            last[row.story_id, key] = row.observed_at
    found = []
    for row in present:
        fresh = []
        for key in keys_of(row, matcher):
            before = last.get((row.story_id, key))
            if before is None or row.observed_at - before > LOOK_BACK:
                fresh.append(key)
            last[row.story_id, key] = row.observed_at
        if fresh:
            found.append(First(row, tuple(fresh)))
    return found


def counted(
    found: Iterable[First], present: Iterable[Row], counts: str, matcher: Matcher
) -> dict[int, dict[Key, int]]:
    """Count what is negative by bucket and key: stories, articles (copies too) or origins.

    `found` are the first rows of stories, `present` all rows. Origins are the distinct first
    publishers within a bucket.
    """
    if counts == "articles":
        pairs = [(row, tuple(keys_of(row, matcher))) for row in present if row.sentiment == "negative"]
    else:
        pairs = [(first.row, first.keys) for first in found if first.row.sentiment == "negative"]
    seen: dict[int, dict[Key, set[str]]] = {}
    for row, keys in pairs:
        unit = row.source if counts == "origins" else row.id
        for key in keys:
            seen.setdefault(row.bucket, {}).setdefault(key, set()).add(unit)
    return {
        bucket: {key: len(units) for key, units in keys.items()} for bucket, keys in seen.items()
    }


class MemoryRows:
    """Rows that stand in memory, for backtests and tests."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = sorted(rows, key=lambda row: (row.observed_at, row.id))
        self._times = [row.observed_at for row in self._rows]
        self._stories: dict[str, list[Row]] = {}
        for row in self._rows:
            self._stories.setdefault(row.story_id, []).append(row)

    def between(self, start: int, stop: int) -> list[Row]:
        """Return the rows of some buckets."""
        first = bisect_left(self._times, start * MICROSECONDS)
        return self._rows[first : bisect_left(self._times, stop * MICROSECONDS)]

    def earlier(self, stories: Iterable[str], since: int, before: int) -> list[Row]:
        """Return the earlier rows of some stories."""
        return [
            row for story in stories for row in self._stories.get(story, ())
            if since <= row.observed_at < before
        ]
