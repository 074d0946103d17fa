"""A reader of the embedded log: the only member of its group, or a reader of its own."""

import threading
import time
from collections.abc import Callable, Iterable

import apsw

from .closing import Closing
from .embedded_file import Session, row_id
from .embedded_lock import GroupLock
from .errors import FencedError, LogError, PositionLostError, StreamUnknownError
from .log import Batch, Position, Record, Span

# What one take holds in memory at most, whatever its limit (one record always fits).
TAKE_BYTES = 16 << 20


class StreamRow:
    """A stream as its row says now: id, incarnation, and the offsets it holds."""

    __slots__ = ("first", "id", "incarnation", "name", "next", "retain_s")

    def __init__(self, connection: apsw.Connection, name: str) -> None:
        row = connection.execute(
            "SELECT id, incarnation, first, next, retain_s FROM streams WHERE name = ?", (name,)
        ).fetchone()
        if row is None:
            raise StreamUnknownError(f"no such stream: {name}")
        self.name = name
        self.id, self.incarnation, self.first, self.next, self.retain_s = row

    def checked(self, position: Position) -> int:
        """Return the offset; raises PositionLostError unless the stream can be read from it."""
        if position.incarnation != self.incarnation:
            raise PositionLostError(f"stream {self.name} was recreated since {position}")
        if not self.first <= position.offset <= self.next:
            raise PositionLostError(
                f"stream {self.name} holds offsets {self.first} to {self.next}, "
                f"not {position.offset}"
            )
        return position.offset

    def settled(self, connection: apsw.Connection, group: str) -> int | None:
        """Return what the group settled, if it did."""
        row = connection.execute(
            "SELECT next FROM settled WHERE stream = ? AND consumers = ?", (self.id, group)
        ).fetchone()
        return None if row is None else int(row[0])


class News:
    """Wakes the readers of this process after an append; those of others poll."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.count = 0

    def tell(self) -> None:
        """Wake everybody."""
        with self._condition:
            self.count += 1
            self._condition.notify_all()

    def wait(self, seen: int, for_s: float) -> None:
        """Wait until there is more than `seen`, or the time is up."""
        with self._condition:
            self._condition.wait_for(lambda: self.count != seen, for_s)


class EmbeddedMember(Closing):
    """Takes records from one place, settles through the log's one writer. Threads may share it."""

    def __init__(
        self, *, reading: Session, writing: Session, stream: str, group: str | None,
        lock: GroupLock | None, position: Position, news: News,
        poll_s: float, on_close: Callable[["EmbeddedMember"], None],
    ) -> None:
        self._reading, self._writing = reading, writing
        self._stream, self._group, self._held = stream, group, lock
        self._next = position
        self._news, self._poll_s, self._on_close = news, poll_s, on_close
        self._state = threading.RLock()
        self._closed = False

    def take(self, limit: int, within_s: float) -> Batch:
        """Return up to `limit` records (or 16 MiB of them) as soon as there are any."""
        deadline = time.monotonic() + within_s
        while True:
            seen = self._news.count
            batch = self._take_now(limit)
            left_s = deadline - time.monotonic()
            if batch.records or limit <= 0 or left_s <= 0:
                return batch
            self._news.wait(seen, min(self._poll_s, left_s))

    def _take_now(self, limit: int) -> Batch:
        with self._state, self._reading.read() as connection:
            row = StreamRow(connection, self._stream)
            start = row.checked(self._next)
            if limit <= 0 or start == row.next:
                return Batch()
            records = _read(connection, row, start, limit)
            self._next = Position(row.incarnation, records[-1].offset + 1)
        span = Span(self._stream, 0, row.incarnation, start, self._next.offset)
        return Batch(tuple(records), (span,))

    def settle(self, spans: Iterable[Span]) -> None:
        """Mark spans as done; a reader of its own settles nothing."""
        done = tuple(spans)
        if self._closed:
            raise FencedError("this member has left its group")
        if self._group is None or not done:
            return
        with self._writing.write() as connection:
            row = StreamRow(connection, self._stream)
            stop = max(_fenced(span, row) for span in done)
            connection.execute(
                "INSERT INTO settled VALUES (?1, ?2, ?3) "
                "ON CONFLICT DO UPDATE SET next = max(next, ?3)",
                (row.id, self._group, stop),
            )

    def seek(self, partition: int, offset: int) -> None:
        """Go on reading from an offset."""
        if partition != 0:
            raise PositionLostError(f"the embedded log has partition 0 only, not {partition}")
        with self._state, self._reading.read() as connection:
            row = StreamRow(connection, self._stream)
            wanted = Position(self._next.incarnation, offset)
            row.checked(wanted)
            self._next = wanted

    def lag(self) -> int:
        """Count the records not taken yet."""
        with self._state, self._reading.read() as connection:
            return int(StreamRow(connection, self._stream).next) - self._next.offset

    def close(self) -> None:
        """Leave the group; a take that waits in another thread raises LogError."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._reading.close()
            if self._held is not None:
                self._held.release()
        self._on_close(self)


def _read(connection: apsw.Connection, row: StreamRow, start: int, limit: int) -> list[Record]:
    rows = connection.execute(
        "SELECT key, value FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (row_id(row.id, start), row_id(row.id, row.next), limit),
    )
    records: list[Record] = []
    size = 0
    for offset, (key, value) in enumerate(rows, start):
        records.append(Record(0, offset, key, value))
        size += len(value)
        if size >= TAKE_BYTES:
            break
    rows.close(force=True)
    if not records:
        raise LogError(f"stream {row.name} misses records from offset {start} on")
    return records


def _fenced(span: Span, row: StreamRow) -> int:
    if (span.stream, span.partition, span.incarnation) != (row.name, 0, row.incarnation):
        raise FencedError(f"stale: {span}; the stream is now {row.incarnation}")
    if span.stop > row.next:
        raise FencedError(f"cannot settle past the end ({row.next}): {span}")
    return span.stop
