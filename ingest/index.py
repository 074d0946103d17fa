"""What ingest knows, in `ingest.db`: derived from the streams, and caught up from them.

Order, never reversed: append to the stream, then index. A crash between the two is healed
at the next start, when the index reads on from its stored position in the stream. Positions
move only by reading, so whatever they passed is indexed. Memory is bounded: all of it is on
disk. What is not derived (ETags, last polls) is written with the articles that it belongs
to; losing it costs one poll.

Ids are kept until `prune`: 400 days by default where sources are polled, for ever where
archives are replayed. Stories are kept for as long as a title can join them, two days.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import structlog

from wire.closing import Closing
from wire.errors import PositionLostError
from wire.log import Batch, Log, Position
from wire.messages import Article, DeadLetter, Heartbeat, decode

from .errors import IndexStalledError, IngestBusyError, StreamRecreatedError
from .fetch import Known
from .stories import WINDOW, Story, title_key
from .times import from_micros, micros

ARTICLES, DEAD_LETTERS = "articles", "dead-letters"
_CHUNK = 500
_TAKE = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS articles (id TEXT PRIMARY KEY, observed_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS articles_observed ON articles (observed_at);
CREATE TABLE IF NOT EXISTS stories (
    title BLOB PRIMARY KEY, story_id TEXT NOT NULL, first_seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heartbeats (partition INTEGER PRIMARY KEY, through INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS positions (
    stream TEXT, partition INTEGER, incarnation TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (stream, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sources (
    name TEXT PRIMARY KEY, etag TEXT NOT NULL, modified TEXT NOT NULL, succeeded INTEGER,
    failures INTEGER NOT NULL) WITHOUT ROWID;
"""
_ADD_STORY = """
INSERT INTO stories VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET
    first_seen = CASE WHEN story_id = ?2 THEN min(first_seen, ?3) ELSE ?3 END, story_id = ?2
    WHERE story_id = ?2 OR first_seen < ?3
"""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is remembered of a source: for the conditional request, and how it has fared."""

    known: Known = field(default_factory=Known)
    succeeded: datetime | None = None
    failures: int = 0


class Index(Closing):
    """The index of one home, held by one process at a time (a file lock, released by any death).

    Raises IngestBusyError if another process holds it. Not shared by threads.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(home / "ingest.lock")
        # The file is derived, so a power failure may cost its last transactions: no fsync each.
        self._db = apsw.Connection(str(home / "ingest.db"))
        self._db.set_busy_timeout(10_000)
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute(_SCHEMA)

    def catch_up(self, log: Log, within_s: float = 60.0) -> int:
        """Read what the streams hold after the stored positions; return the number of records.

        Raises StreamRecreatedError if a stream has begun anew since, IndexStalledError if the
        log gives nothing for `within_s` though there is more.
        """
        return sum(self._catch_up(log, stream, within_s) for stream in (ARTICLES, DEAD_LETTERS))

    def _catch_up(self, log: Log, stream: str, within_s: float) -> int:
        bounds, count = log.bounds(stream), 0
        starts = self._starts(stream, bounds.incarnation, bounds.first)
        missing = {p for p, end in bounds.end.items() if starts[p].offset < end}
        deadline = time.monotonic() + within_s
        try:
            if not missing:
                return 0
            with log.join(stream, None, starts.get) as member:
                while missing:
                    batch = member.take(_TAKE, 1.0)
                    count += self._read(batch)
                    missing -= {s.partition for s in batch.spans if s.stop >= bounds.end[s.partition]}
                    deadline = time.monotonic() + within_s if batch.records else deadline
                    if time.monotonic() > deadline:
                        raise IndexStalledError
        except PositionLostError as error:
            raise StreamRecreatedError(f"{stream}: {StreamRecreatedError.__doc__}") from error
        return count

    def _starts(self, stream: str, incarnation: str, first: dict[int, int]) -> dict[int, Position]:
        """Return where to read on; what was pruned meanwhile had been indexed when appended."""
        select = "SELECT partition, incarnation, next FROM positions WHERE stream = ?"
        rows = self._db.execute(select, (stream,))
        stored = {partition: Position(life, offset) for partition, life, offset in rows}
        if any(position.incarnation != incarnation for position in stored.values()):
            raise StreamRecreatedError(f"{stream}: {StreamRecreatedError.__doc__}")
        pruned = [p for p, position in stored.items() if position.offset < first[p]]
        if pruned:
            structlog.get_logger().warning("index.position_pruned", stream=stream, partitions=pruned)
        return {
            p: Position(incarnation, max(offset, stored[p].offset if p in stored else 0))
            for p, offset in first.items()
        }

    def _read(self, batch: Batch) -> int:
        with self._db:
            for record in batch.records:
                message = decode(record.value)
                if isinstance(message, Article):
                    self._add([message])
                elif isinstance(message, Heartbeat):
                    self._heartbeat(record.partition, message.through)
                elif isinstance(message, DeadLetter) and message.stage == "ingest":
                    self._db.execute("INSERT OR IGNORE INTO dead VALUES (?)", (message.id,))
            for span in batch.spans:
                self._db.execute(
                    "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                    (span.stream, span.partition, span.incarnation, span.stop),
                )
        return len(batch.records)

    def add(
        self, articles: Sequence[Article], states: Mapping[str, SourceState],
        partitions: Iterable[int] = (), through: datetime | None = None,
    ) -> None:
        """Index what was appended: articles, with the state of their sources, and a heartbeat."""
        with self._db:
            if through is not None:
                for partition in partitions:
                    self._heartbeat(partition, through)
            self._add(articles)
            for name, state in states.items():
                self._db.execute(
                    "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)",
                    (name, state.known.etag, state.known.modified,
                     micros(state.succeeded) if state.succeeded else None, state.failures),
                )

    def _add(self, articles: Sequence[Article]) -> None:
        for article in articles:
            observed = micros(article.observed_at)
            self._db.execute("INSERT OR IGNORE INTO articles VALUES (?, ?)", (article.id, observed))
            key = title_key(article.title)
            if key:
                self._db.execute(_ADD_STORY, (key, article.story_id, observed))

    def _heartbeat(self, partition: int, through: datetime) -> None:
        self._db.execute(
            "INSERT INTO heartbeats VALUES (?1, ?2) ON CONFLICT DO UPDATE SET through = max(through, ?2)",
            (partition, micros(through)),
        )

    def add_dead(self, ids: Iterable[str]) -> None:
        """Index dead letters that were appended."""
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO dead VALUES (?)", [(key,) for key in ids])

    def observed(self, ids: Sequence[str]) -> dict[str, datetime]:
        """Return when each of the known ones among these articles was observed."""
        rows = self._among("SELECT id, observed_at FROM articles WHERE id IN", ids)
        return {key: from_micros(value) for key, value in rows}

    def dead(self, ids: Sequence[str]) -> set[str]:
        """Return which of these ids are dead letters already."""
        return {key for (key,) in self._among("SELECT id FROM dead WHERE id IN", ids)}

    def stories(self, titles: Iterable[str]) -> dict[bytes, Story]:
        """Return the stories that these titles may belong to, by `title_key`."""
        keys = list({title_key(title) for title in titles} - {b""})
        rows = self._among("SELECT title, story_id, first_seen FROM stories WHERE title IN", keys)
        return {key: Story(story, from_micros(first)) for key, story, first in rows}

    def _among(self, select: str, values: Sequence[str | bytes]) -> Iterator[tuple[Any, ...]]:
        for at in range(0, len(values), _CHUNK):
            chunk = values[at : at + _CHUNK]
            yield from self._db.execute(f"{select} ({','.join('?' * len(chunk))})", chunk)

    def last(self, before: datetime | None = None) -> datetime | None:
        """Return the last observed stamp there is (before a time)."""
        limit = micros(before) if before else (1 << 62)
        value = self._one("SELECT max(observed_at) FROM articles WHERE observed_at < ?", limit)
        return None if value is None else from_micros(value)

    def since(self, time: datetime) -> dict[str, datetime]:
        """Return the articles observed at a time or later: id to stamp."""
        select = "SELECT id, observed_at FROM articles WHERE observed_at >= ?"
        rows = self._db.execute(select, (micros(time),))
        return {key: from_micros(value) for key, value in rows}

    def through(self, partitions: int) -> datetime | None:
        """Return how far the heartbeats of all partitions go, or None if one has none yet."""
        rows = [value for (value,) in self._db.execute("SELECT through FROM heartbeats")]
        return from_micros(min(rows)) if len(rows) >= partitions else None

    def source(self, name: str) -> SourceState:
        """Return what is remembered of a source."""
        row = self._db.execute(
            "SELECT etag, modified, succeeded, failures FROM sources WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            return SourceState()
        etag, modified, succeeded, failures = row
        since = None if succeeded is None else from_micros(succeeded)
        return SourceState(Known(etag, modified), since, failures)

    def prune(self, now: datetime, keep: timedelta) -> None:
        """Forget ids older than `keep`, and stories that no title can join any more."""
        with self._db:
            self._db.execute("DELETE FROM articles WHERE observed_at < ?", (micros(now - keep),))
            self._db.execute("DELETE FROM stories WHERE first_seen < ?", (micros(now - WINDOW),))

    def _one(self, select: str, *values: int) -> int | None:
        row = self._db.execute(select, values).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Close the file and let go of the home."""
        self._db.close()
        os.close(self._lock)


def _lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise IngestBusyError(f"{path.parent}: {IngestBusyError.__doc__}") from error
    return handle
