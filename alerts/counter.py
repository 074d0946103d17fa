"""Counting, exactly once: one fenced transaction per batch.

Position, ids, rows, mentions with their letters, sums and watermarks are committed together or
not at all. Who comes late with the same records finds the position moved, and is sent back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Table, select, update

from wire.errors import PositionLostError
from wire.log import Position, Span

from . import tables
from .counting import Item, Tally, arrival_of, tally
from .errors import StaleError
from .incidents import Change
from .keys import ALL, Key
from .mentioning import Mentioning
from .settings import AlertsSettings, Receiver
from .store import Store
from .watches import Matcher


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows that a batch added, without duplicates, and the mentions that it told."""

    rows: tuple[dict[str, Any], ...]
    changes: tuple[Change, ...] = ()


def wall() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


class Counter:
    """Counts batches of one stream into a store, and tells receivers of mentions.

    `clock`, which may be virtual, stamps their letters.
    """

    def __init__(
        self,
        store: Store,
        stream: str,
        settings: AlertsSettings,
        clock: Callable[[], datetime] = wall,
        receivers: Sequence[Receiver] = (),
    ) -> None:
        self._store = store
        self._stream = stream
        self._settings = settings
        self._matcher = Matcher(settings.watches)
        self._mentioning = Mentioning(store, settings, self._matcher, receivers, clock)

    def position(self, partition: int) -> Position | None:
        """Say where counting goes on in a partition; None where it has not begun."""
        table = tables.positions
        wanted = (table.c.stream == self._stream) & (table.c.partition == partition)
        with self._store.read() as connection:
            query = select(table.c.incarnation, table.c.next).where(wanted)
            row = connection.execute(query).first()
        return Position(row.incarnation, row.next) if row else None

    def begin(self, partitions: Iterable[int]) -> None:
        """Note every partition, so that a silent one holds the judge back."""
        rows = [{"stream": self._stream, "partition": p, "through": 0} for p in sorted(partitions)]
        with self._store.write() as connection:
            insert = self._store.insert(tables.watermarks)
            connection.execute(insert.on_conflict_do_nothing(), rows)

    def count(self, spans: Sequence[Span], items: Sequence[Item]) -> Counted:
        """Count a batch; raises StaleError (nothing was changed) or PositionLostError."""
        with self._store.write() as connection:
            for span in spans:
                self._fence(connection, span)
            before = self._watermarks(connection)
            settings = self._settings
            added = tally(
                items, before, self._matcher, settings.allowed_lateness_s, settings.blind_after_s
            )
            rows = self._new_rows(connection, added)
            told = self._mentioning.note(connection, rows)
            self._add_sums(connection, rows, added.watches)
            self._add_health(connection, added)
            self._set_watermarks(connection, before, added.watermarks)
        return Counted(tuple(rows), tuple(told))

    def _fence(self, connection: Connection, span: Span) -> None:
        table = tables.positions
        place = (table.c.stream == span.stream) & (table.c.partition == span.partition)
        believed = (table.c.incarnation == span.incarnation) & (table.c.next == span.start)
        moved = connection.execute(update(table).where(place & believed).values(next=span.stop))
        if moved.rowcount == 1:
            return
        row = connection.execute(select(table.c.incarnation, table.c.next).where(place)).first()
        where = f"{span.stream}/{span.partition}"
        if row is not None and row.incarnation != span.incarnation:
            raise PositionLostError(f"{where}: counted in another life of the stream")
        if row is not None:
            raise StaleError(f"{where}: counted up to {row.next}, not {span.start}")
        first = self._store.insert(table).values(
            stream=span.stream, partition=span.partition,
            incarnation=span.incarnation, next=span.stop,
        )
        # RETURNING says it on every database; an insert's rowcount does not (PostgreSQL: -1).
        begun = first.on_conflict_do_nothing().returning(table.c.next)
        if connection.execute(begun).first() is None:
            raise StaleError(f"{where}: somebody else began at the same time")

    def _watermarks(self, connection: Connection) -> dict[int, int]:
        table = tables.watermarks
        wanted = select(table.c.partition, table.c.through).where(table.c.stream == self._stream)
        return {row.partition: row.through for row in connection.execute(wanted)}

    def _new_rows(self, connection: Connection, added: Tally) -> list[dict[str, Any]]:
        if not added.rows:
            return []
        ids = self._store.insert(tables.article_ids).on_conflict_do_nothing()
        new = connection.execute(
            ids.returning(tables.article_ids.c.id),
            [{"id": name, "observed_at": added.rows[name]["observed_at"]} for name in sorted(added.rows)],
        ).scalars()
        rows = [added.rows[name] for name in sorted(new)]
        if rows:
            connection.execute(self._store.insert(tables.articles), rows)
        return rows

    def _add_sums(
        self, connection: Connection, rows: list[dict[str, Any]], watches: dict[str, list[str]]
    ) -> None:
        sums: dict[tuple[int, Key, str, str], list[int]] = {}
        for row in rows:
            subjects = (Key("", watch) for watch in watches[row["id"]])
            for key in (ALL, Key(row["topic"], ""), *subjects):
                place = (row["bucket"], key, row["sentiment"], arrival_of(row))
                cell = sums.setdefault(place, [0, 0])
                cell[0] += 1
                cell[1] += row["negative"]
        self._add(connection, tables.sums, ("articles", "negative"), [
            {"bucket": bucket, "topic": key.topic, "watch": key.watch, "sentiment": sentiment,
             "arrival": arrival, "articles": cell[0], "negative": cell[1]}
            for (bucket, key, sentiment, arrival), cell in sorted(sums.items())
        ])

    def _add_health(self, connection: Connection, added: Tally) -> None:
        self._add(connection, tables.health, ("sources", "failing"), [
            {"bucket": bucket, "sources": sources, "failing": failing}
            for bucket, (sources, failing) in sorted(added.health.items())
        ])

    def _add(
        self,
        connection: Connection,
        table: Table,
        columns: tuple[str, ...],
        rows: list[dict[str, Any]],
    ) -> None:
        """Add integers to rows, in key order, so that several counters never deadlock."""
        if not rows:
            return
        insert = self._store.insert(table)
        add = {name: table.c[name] + insert.excluded[name] for name in columns}
        connection.execute(
            insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=add), rows
        )

    def _set_watermarks(
        self, connection: Connection, before: dict[int, int], after: dict[int, int]
    ) -> None:
        table = tables.watermarks
        moved = [
            {"stream": self._stream, "partition": partition, "through": through}
            for partition, through in sorted(after.items())
            if through != before.get(partition)
        ]
        if moved:
            insert = self._store.insert(table)
            connection.execute(insert.on_conflict_do_update(
                index_elements=list(table.primary_key), set_={"through": insert.excluded.through},
            ), moved)
