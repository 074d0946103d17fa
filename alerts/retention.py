"""What is old goes: articles, buckets, incidents and ids, each after its own time.

By observed time, as far as it was judged, so a judge that lags loses nothing that it needs. In
small transactions, so that counting never waits long. An id goes only when it is also older than
everything that the log still holds: then no record of it can come again, whatever clock the log
went by.
"""

from collections.abc import Callable, Iterable, Iterator

from sqlalchemy import ColumnElement, Table, delete, exists, func, select

from wire.errors import BadMessageError, PositionLostError, StreamUnknownError
from wire.log import Bounds, Log, Position
from wire.messages import Article, Heartbeat, ScoredArticle, decode

from . import tables
from .keys import MICROSECONDS, microseconds
from .settings import Retention
from .store import Store

ROWS = 1000  # of one table in one transaction, and those that share the last one's time
INCIDENTS = 100
DAY = 86_400 * MICROSECONDS
_TAKES, _AT_ONCE, _WITHIN_S = 20, 1000, 2.0


def prune(store: Store, keep: Retention, held_since: Callable[[], int | None]) -> Iterator[int]:
    """Delete what is over its time: each step is one small transaction and yields its rows.

    `held_since` says when the oldest record that the log holds was observed (microseconds; None: it
    holds nothing); it is asked only when ids are about to go. What is not judged yet, open
    incidents and letters that wait are never touched.
    """
    with store.read() as connection:
        judged = connection.execute(select(func.max(tables.judge.c.judged_through))).scalar() or 0
    if keep.articles is not None:
        yield from _older(store, tables.articles, "observed_at", judged - keep.articles * DAY)
    if keep.buckets is not None:
        before = (judged - keep.buckets * DAY) // MICROSECONDS
        yield from _older(store, tables.sums, "bucket", before)
        yield from _older(store, tables.health, "bucket", before)
    if keep.incidents is not None:
        yield from _incidents(store, judged - keep.incidents * DAY)
        yield from _letters(store, judged - keep.incidents * DAY)
    if keep.ids is not None:
        yield from _ids(store, judged - keep.ids * DAY, held_since)


def _older(
    store: Store, table: Table, column: str, before: int, where: ColumnElement[bool] | None = None
) -> Iterator[int]:
    """Delete rows by an integer column, the oldest first."""
    place = table.c[column]
    old = place < before if where is None else where & (place < before)
    edges = select(place).where(old).order_by(place)
    while True:
        with store.read() as connection:  # the usual case takes no write lock
            if connection.execute(edges.limit(1)).first() is None:
                return
            edge = connection.execute(edges.offset(ROWS - 1).limit(1)).scalar()
        with store.write() as connection:
            chosen = old if edge is None else old & (place <= edge)
            yield connection.execute(delete(table).where(chosen)).rowcount


def _incidents(store: Store, before: int) -> Iterator[int]:
    """Delete resolved incidents with their letters and actions; answers stay, they are numbers."""
    incidents, outbox = tables.incidents.c, tables.outbox.c
    waits = exists().where((outbox.incident_id == incidents.id) & (outbox.state == "pending"))
    over = (incidents.state == "resolved") & (incidents.resolved_at < before) & ~waits
    query = select(incidents.id).where(over).order_by(incidents.opened_at, incidents.id).limit(INCIDENTS)
    while True:
        with store.write() as connection:
            names = list(connection.execute(query).scalars())
            for table in (tables.outbox, tables.incident_actions):
                connection.execute(delete(table).where(table.c.incident_id.in_(names)))
            connection.execute(delete(tables.incidents).where(incidents.id.in_(names)))
        if not names:
            return
        yield len(names)


def _letters(store: Store, before: int) -> Iterator[int]:
    """Delete briefs and grouped messages, which no incident takes with it."""
    outbox = tables.outbox.c
    of_none = ~exists().where(tables.incidents.c.id == outbox.incident_id)
    yield from _older(store, tables.outbox, "created_at", before, of_none & (outbox.state != "pending"))


def _ids(store: Store, before: int, held_since: Callable[[], int | None]) -> Iterator[int]:
    """Delete ids; those of an unknown time (0) stay."""
    seen = tables.article_ids.c.observed_at
    with store.read() as connection:
        known = (seen > 0) & (seen < before)
        if connection.execute(select(seen).where(known).limit(1)).first() is None:
            return
    held = held_since()
    before = before if held is None else min(before, held)
    yield from _older(store, tables.article_ids, "observed_at", before, seen > 0)


def held_since(log: Log, streams: Iterable[str]) -> int | None:
    """Say when the oldest record of these streams was observed; None where they hold nothing.

    In microseconds; 0, which keeps every id, where it cannot be told. Within a partition records
    stand in order of time, but for what a stage wrote twice after a crash: that stands behind what
    it was written from, and days less apart than ids and log are kept.
    """
    found = [time for stream in streams if (time := _held_since(log, stream)) is not None]
    return min(found, default=None)


def _held_since(log: Log, stream: str) -> int | None:
    try:
        bounds = log.bounds(stream)
    except StreamUnknownError:
        return None
    left = {partition for partition, first in bounds.first.items() if first < bounds.end[partition]}
    if not left:
        return None
    try:
        return _first_times(log, stream, bounds, left)
    except PositionLostError:  # it was pruned meanwhile; next time, then
        return 0


def _first_times(log: Log, stream: str, bounds: Bounds, left: set[int]) -> int:
    """Return the least time of the first record of each partition; 0 where one has none."""
    times: dict[int, int] = {}

    def first(partition: int) -> Position:
        return Position(bounds.incarnation, bounds.first[partition])

    with log.join(stream, None, first) as member:
        for _ in range(_TAKES):
            records = member.take(_AT_ONCE, _WITHIN_S).records
            for record in records:
                if record.partition not in times and (time := _time(record.value)) is not None:
                    times[record.partition] = time
            if left <= times.keys():
                return min(times.values())
            if not records:
                break
    return 0


def _time(payload: bytes) -> int | None:
    try:
        message = decode(payload)
    except BadMessageError:
        return None
    if isinstance(message, Heartbeat):
        return microseconds(message.through)
    if isinstance(message, ScoredArticle):
        message = message.article
    return microseconds(message.observed_at) if isinstance(message, Article) else None
