"""The read side: what the web page, the replay and the command line ask of the store."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from wire.messages import Evidence, Incident

from . import tables
from .incidents import shown
from .keys import BUCKET_S, MICROSECONDS, Key, microseconds
from .rows import StoredRows, chunks
from .settings import Watch
from .shares import Estimate, balance, change, share
from .store import Store
from .stories import keys_of
from .watches import Matcher
from .windows import Counts, Sums

_LOOK_BACK_S = 86_400
UNKNOWN = Estimate(math.nan, math.nan, math.nan)

_incident = msgspec.json.Decoder(Incident)


class Measure(msgspec.Struct, frozen=True):
    """What one window says of one key, with 95% intervals (`alerts.shares`); None of no articles.

    `net_sentiment` is the positive less the negative share. `momentum` is the negative share less
    that of the window before, which held `articles_before`.
    """

    articles: int
    articles_before: int
    net_sentiment: Estimate | None
    negative_share: Estimate | None
    momentum: Estimate | None

    def gauges(self) -> dict[str, float]:
        """Name the values and the bounds of their intervals as the metrics do; unknown is NaN."""
        found: dict[str, float] = {}
        for name in ("net_sentiment", "negative_share", "momentum"):
            one: Estimate = getattr(self, name) or UNKNOWN
            found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        return found


class Trend(msgspec.Struct, frozen=True):
    """The state of one key at the end of the last judged bucket.

    `windows` counts articles by sentiment and `measures` says what they come to; `observed`,
    `expected` and `upper` (the edge of the normal band) are negative stories of the last hour.
    """

    topic: str | None
    watch: str | None
    windows: dict[str, dict[str, int]]
    measures: dict[str, Measure]
    observed: int
    expected: float
    upper: float
    surprise_weeks: float

    @property
    def net_sentiment(self) -> float:
        """Positive less negative share of the last hour's articles; 0 where there are none."""
        hour = self.windows["1h"]
        return (hour["positive"] - hour["negative"]) / max(sum(hour.values()), 1)

    @property
    def negative_share(self) -> float:
        """Negative share of the last hour's articles; 0 where there are none."""
        hour = self.windows["1h"]
        return hour["negative"] / max(sum(hour.values()), 1)

    def gauges(self) -> dict[str, float]:
        """Name the values as the metrics do."""
        return {
            "net_sentiment": self.net_sentiment,
            "negative_share": self.negative_share,
            "observed_negatives": self.observed,
            "expected_negatives": self.expected,
            "expected_negatives_upper": self.upper,
            "surprise_weeks": self.surprise_weeks,
        }


def measure(counts: Counts) -> Measure:
    """Say what the counts of a window come to."""
    now, before = sum(counts.now.values()), sum(counts.before.values())
    negative = share(counts.now["negative"], now)
    return Measure(
        articles=now,
        articles_before=before,
        net_sentiment=balance(counts.now["positive"], counts.now["negative"], now),
        negative_share=negative,
        momentum=change(negative, share(counts.before["negative"], before)),
    )


def trends(store: Store, sums: Sums | None = None) -> list[Trend]:
    """Describe every judged key, in order of (topic, watch).

    Who asks again and again keeps the `sums`; without them two weeks of buckets are read.
    """
    table = tables.detectors.c
    columns = (
        table.topic, table.watch, table.observed, table.expected, table.upper, table.surprise_weeks
    )
    with store.read() as connection:
        windows = (sums or Sums()).windows(connection, _judged(connection) // MICROSECONDS)
        rows = connection.execute(select(*columns).order_by(table.topic, table.watch)).all()
    return [_trend(topic, watch, windows.of(Key(topic, watch)), *rest) for topic, watch, *rest in rows]


def _trend(topic: str, watch: str, counts: dict[str, Counts], *figures: Any) -> Trend:
    return Trend(
        topic or None, watch or None,
        {name: dict(one.now) for name, one in counts.items()},
        {name: measure(one) for name, one in counts.items()},
        *figures,
    )  # fmt: skip


def incidents(
    store: Store,
    *,
    open_only: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Incident]:
    """List incidents that opened in `since <= opened_at < until`, by (opened_at, id)."""
    table = tables.incidents.c
    query = select(table.body).order_by(table.opened_at, table.id)
    if open_only:
        query = query.where(table.state == "open")
    if since is not None:
        query = query.where(table.opened_at >= microseconds(since))
    if until is not None:
        query = query.where(table.opened_at < microseconds(until))
    with store.read() as connection:
        return [_incident.decode(body) for body in connection.execute(query).scalars()]


def open_by_severity(store: Store) -> dict[str, int]:
    """Count open incidents by severity."""
    table = tables.incidents.c
    query = select(table.severity, func.count()).where(table.state == "open")
    with store.read() as connection:
        rows = connection.execute(query.group_by(table.severity)).all()
    return {row[0]: row[1] for row in rows}


def evidence(
    store: Store, key: Key, limit: int = 10, watches: Sequence[Watch] = ()
) -> list[Evidence]:
    """List the latest negative headlines of a key in the day that ends with the watermark."""
    matcher = Matcher(watches)
    with store.read() as connection:
        end = _watermark(connection) // MICROSECONDS
        rows = StoredRows(connection).between(end - _LOOK_BACK_S, end + BUCKET_S)
    matching = [
        row for row in reversed(rows)
        if row.sentiment == "negative" and key in keys_of(row, matcher)
    ]
    return [shown(row) for row in matching[:limit]]


def counts(store: Store, ids: Iterable[str]) -> tuple[dict[str, dict[str, int]], int]:
    """Count articles by topic and sentiment, of these ids; and how many of them are counted."""
    table = tables.articles.c
    key = (table.topic, table.sentiment)
    found: dict[str, dict[str, int]] = {}
    with store.read() as connection:
        for names in chunks(set(ids)):
            query = select(*key, func.count()).where(table.id.in_(names)).group_by(*key)
            for topic, sentiment, number in connection.execute(query):
                cells = found.setdefault(topic, {})
                cells[sentiment] = cells.get(sentiment, 0) + number
    ordered = {topic: dict(sorted(found[topic].items())) for topic in sorted(found)}
    return ordered, sum(sum(cells.values()) for cells in found.values())


def watermark(store: Store) -> int:
    """Say up to when everything is counted, in microseconds; 0 before the first heartbeat."""
    with store.read() as connection:
        return _watermark(connection)


def judged_through(store: Store) -> int:
    """Say up to when everything is judged, in microseconds; 0 before the first bucket."""
    with store.read() as connection:
        return _judged(connection)


def _watermark(connection: Connection) -> int:
    return connection.execute(select(func.min(tables.watermarks.c.through))).scalar() or 0


def _judged(connection: Connection) -> int:
    return connection.execute(select(tables.judge.c.judged_through)).scalar() or 0
