"""Small builders: a virtual newswire, and the ways to count and judge what it wrote."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Table, select

from alerts import tables
from alerts.counter import Counter
from alerts.counting import read
from alerts.judging import Judge
from alerts.keys import bucket_of, microseconds
from alerts.settings import AlertsSettings, Receiver
from alerts.store import Store
from alerts.stories import Row
from wire.log import NewRecord, Record, Span
from wire.messages import Article, Heartbeat, ScoredArticle, encode

NOON = datetime(2024, 1, 3, 12, tzinfo=UTC)
STREAM = "scored-articles"


def clock() -> datetime:
    """Stand still."""
    return NOON


@dataclass
class Wire:
    """Writes records one after the other, as the classifier would, into one partition."""

    now: datetime = NOON
    partition: int = 0
    records: list[Record] = field(default_factory=list)

    def article(self, name: str, *, topic: str = "Legal", negative: float = 0.9,
                story: str = "", title: str = "", source: str = "wire", backfill: bool = False,
                at: datetime | None = None) -> "Wire":
        """Append a scored article."""
        article = Article(
            id=name, url=f"https://news.example/{name}", title=title or f"Title of {name}", text="",
            source=source, language="en", observed_at=at or self.now, story_id=story or name,
            backfill=backfill,
        )
        rest = 1 - negative
        return self.raw(name.encode(), encode(ScoredArticle(
            article=article, topics={topic: 0.9, "Zzz": 0.1}, model="test",
            sentiments={"negative": negative, "neutral": rest, "positive": 0.0},
        )))

    def beat(self, sources: int = 10, failing: int = 0, at: datetime | None = None) -> "Wire":
        """Append a heartbeat through now."""
        names = tuple(f"s{i}" for i in range(failing))
        through = at or self.now
        return self.raw(b"", encode(Heartbeat(through=through, sources=sources, failing=names)))

    def raw(self, key: bytes, value: bytes) -> "Wire":
        """Append any record."""
        self.records.append(Record(self.partition, len(self.records), key, value))
        return self

    def later(self, minutes: float) -> "Wire":
        """Let time pass."""
        self.now += timedelta(minutes=minutes)
        return self

    def new(self) -> Sequence[NewRecord]:
        """Return the records as a log takes them."""
        return [NewRecord(record.key, record.value, record.partition) for record in self.records]


def span(start: int, stop: int, partition: int = 0, incarnation: str = "life") -> Span:
    """Name a stretch of the stream."""
    return Span(STREAM, partition, incarnation, start, stop)


def count(
    store: Store, wire: Wire, settings: AlertsSettings | None = None, batch: int = 10_000
) -> None:
    """Count everything on the wire from its first record, in batches."""
    counter = Counter(store, STREAM, settings or AlertsSettings())
    counter.begin([wire.partition])
    for start in range(0, len(wire.records), batch):
        records = wire.records[start : start + batch]
        counter.count([span(start, start + len(records), wire.partition)], read(records)[0])


def receiver(name: str) -> Receiver:
    """Make a receiver that takes everything."""
    return Receiver(name=name, url="http://127.0.0.1/hook", secret=SecretStr("whsec_" + "a" * 32))


def judge_all(store: Store, settings: AlertsSettings, receivers: Sequence[str] = ()) -> None:
    """Judge whatever closed."""
    judge = Judge(store, STREAM, settings, clock, [receiver(name) for name in receivers])
    judge.take_lease(at_once=True)
    while judge.step()[0]:
        pass


def dump(store: Store) -> dict[str, list[tuple]]:
    """Read every table whose rows must not depend on batches, crashes or copies."""
    kept = [
        tables.article_ids, tables.articles, tables.sums, tables.health, tables.watermarks,
        tables.detectors, tables.incidents, tables.outbox, tables.mentions,
    ]
    with store.read() as connection:
        return {table.name: in_order(connection.execute(select(table)), table) for table in kept}


def in_order(rows: Iterable[Sequence[Any]], table: Table) -> list[tuple]:
    """Sort rows by their primary key (its columns come first), the same on every database."""
    return sorted(map(tuple, rows), key=lambda row: row[: len(table.primary_key)])


def history(days: int, *, surge_on: int | None = None, seed: int = 1, wire: Wire | None = None) -> Wire:
    """Write days of quiet news with a heartbeat a bucket, and a surge of an hour on one day."""
    chance = random.Random(seed)
    wire = wire or Wire()
    names = 0
    for bucket in range(days * 288):
        surging = surge_on is not None and 0 <= bucket - surge_on * 288 < 12
        for _ in range(3 if surging else int(chance.random() < 0.15)):
            names += 1
            wire.later(1 / 60)
            wire.article(
                f"a{names}", topic="Legal" if surging else chance.choice(["Legal", "Energy"]),
                negative=0.9 if surging or chance.random() < 0.3 else 0.1,
                source=f"outlet{names % 7}",
            )
        wire.now = NOON + timedelta(minutes=5 * (bucket + 1))
        wire.beat()
    return wire


def rows_of(store: Store) -> list[Row]:
    """Read the rows that may be judged."""
    table = tables.articles.c
    columns = [table[name] for name in Row.__struct_fields__]
    live = ~table.late & ~table.backfill
    with store.read() as connection:
        return [Row(*row) for row in connection.execute(select(*columns).where(live))]


def bucket_at(time: datetime) -> int:
    """Name the bucket of a time."""
    return bucket_of(microseconds(time))
