"""The embedded log: streams in one SQLite file, for any number of processes of one machine.

A product, not a second Kafka: one partition a stream, several groups, one member a group.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from .closing import Closing
from .embedded_file import Session, row_id
from .embedded_lock import GroupLock
from .embedded_member import EmbeddedMember, News, StreamRow
from .errors import LogUnavailableError, RecordTooLargeError, StreamMismatchError
from .log import RETAIN_S, Bounds, NewRecord, Position, Start

MAX_RECORD_BYTES = 4 << 20
# One append prunes at most so many old records, so that none is slow.
PRUNE_RECORDS = 10_000


class EmbeddedLog(Closing):
    """A Log in the file `path`, created if absent. Threads may share it; processes open their own.

    An append is one transaction, on the disk (fsync) when it returns. Retention is by age
    and applied as records are appended. A writer waits at most `busy_s` for the others.
    `max_bytes` limits the file: an append past it raises LogUnavailableError.
    """

    def __init__(
        self, path: Path, *, busy_s: float = 10.0, poll_s: float = 0.02,
        max_bytes: int | None = None, now: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path)
        self._busy_s, self._poll_s, self._now = busy_s, poll_s, now
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogUnavailableError(f"cannot make {self._path.parent}: {error}") from error
        self._writing = Session(self._path, busy_s, max_bytes)
        self._members: set[EmbeddedMember] = set()
        self._news = News()

    def create(
        self, stream: str, partitions: int | None = None, retain_s: float | None = None
    ) -> None:
        """Create the stream if absent; raises StreamMismatchError at more than one partition."""
        if partitions not in (None, 1):
            raise StreamMismatchError(
                f"the embedded log has one partition a stream, not {partitions} ({stream})"
            )
        with self._writing.write() as connection:
            connection.execute(
                "INSERT INTO streams (name, incarnation, retain_s, first, next) "
                "VALUES (?, ?, ?, 0, 0) ON CONFLICT DO NOTHING",
                (stream, uuid.uuid4().hex, RETAIN_S if retain_s is None else retain_s),
            )

    def streams(self) -> list[str]:
        """Name the streams there are, sorted."""
        with self._writing.read() as connection:
            rows = connection.execute("SELECT name FROM streams ORDER BY name")
            return [name for (name,) in rows]

    def bounds(self, stream: str) -> Bounds:
        """Say what the log holds of a stream; raises StreamUnknownError."""
        with self._writing.read() as connection:
            row = StreamRow(connection, stream)
        return Bounds(row.incarnation, {0: row.first}, {0: row.next})

    def settled(self, stream: str, group: str) -> dict[int, int]:
        """Say up to where a group settled, by partition."""
        with self._writing.read() as connection:
            offset = StreamRow(connection, stream).settled(connection, group)
        return {} if offset is None else {0: offset}

    def append(self, stream: str, records: Sequence[NewRecord]) -> None:
        """Append all records or, on any error, none."""
        for record in records:
            _check(stream, record)
        with self._writing.write() as connection:
            row = StreamRow(connection, stream)
            self._insert(connection, row, records)
            _prune(connection, row, self._now() - row.retain_s)
        if records:
            self._news.tell()

    def _insert(
        self, connection: apsw.Connection, row: StreamRow, records: Sequence[NewRecord]
    ) -> None:
        now = self._now()
        connection.executemany(
            "INSERT INTO records VALUES (?, ?, ?, ?)",
            [
                (row_id(row.id, offset), now, record.key, record.value)
                for offset, record in enumerate(records, row.next)
            ],
        )
        row.next += len(records)
        connection.execute("UPDATE streams SET next = ? WHERE id = ?", (row.next, row.id))

    def join(self, stream: str, group: str | None, start: Start | None = None) -> EmbeddedMember:
        """Join a group, which must have no live member; or read on one's own (group None)."""
        self.bounds(stream)
        lock = None
        if group is not None:
            lock = GroupLock(self._path.with_name(self._path.name + ".locks"), stream, group)
        reading = None
        try:
            reading = Session(self._path, self._busy_s)
            position = _begin(reading, stream, group, start)
        except BaseException:
            if reading is not None:
                reading.close()
            if lock is not None:
                lock.release()
            raise
        member = EmbeddedMember(
            reading=reading, writing=self._writing, stream=stream, group=group, lock=lock,
            position=position, news=self._news, poll_s=self._poll_s,
            on_close=self._members.discard,
        )
        self._members.add(member)
        return member

    def close(self) -> None:
        """Close the members, finish the append in hand, release the file."""
        for member in tuple(self._members):
            member.close()
        self._writing.close()


def _check(stream: str, record: NewRecord) -> None:
    if record.partition not in (None, 0):
        raise StreamMismatchError(f"stream {stream} has partition 0 only, not {record.partition}")
    size = len(record.key) + len(record.value)
    if size > MAX_RECORD_BYTES:
        raise RecordTooLargeError(
            f"a record of {size:,} bytes for {stream}; the limit is {MAX_RECORD_BYTES:,}"
        )


def _begin(reading: Session, stream: str, group: str | None, start: Start | None) -> Position:
    """Choose where a member begins: its own position, else what the group settled, else first."""
    wanted = start(0) if start is not None else None
    with reading.read() as connection:
        row = StreamRow(connection, stream)
        if wanted is None:
            settled = row.settled(connection, group) if group is not None else None
            wanted = Position(row.incarnation, row.first if settled is None else settled)
        row.checked(wanted)
    return wanted


def _prune(connection: apsw.Connection, row: StreamRow, before: float) -> None:
    """Delete the oldest records up to the first that is young enough."""
    low, high = row_id(row.id, row.first), row_id(row.id, min(row.next, row.first + PRUNE_RECORDS))
    kept = connection.execute(
        "SELECT id FROM records WHERE id >= ? AND id < ? AND at >= ? ORDER BY id LIMIT 1",
        (low, high, before),
    ).fetchone()
    stop = high if kept is None else kept[0]
    if stop == low:
        return
    connection.execute("DELETE FROM records WHERE id >= ? AND id < ?", (low, stop))
    row.first += stop - low
    connection.execute("UPDATE streams SET first = ? WHERE id = ?", (row.first, row.id))
