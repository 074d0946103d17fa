"""The log: named, partitioned, append-only streams of records, behind one small protocol.

Two implementations keep it: `wire.embedded` (one SQLite file, the default) and
`wire.kafka`. One contract suite (`tests/wire/test_log_contract.py`) holds both to it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .closing import Closing

RETAIN_S = 7 * 86400.0  # how long a stream keeps its records unless told otherwise


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to append. Without a partition, a digest of the key chooses it."""

    key: bytes
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it stands in the log."""

    partition: int
    offset: int
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset to read in one life (`incarnation`) of a stream."""

    incarnation: str
    offset: int


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets `start <= offset < stop` of one partition, as one take returned them."""

    stream: str
    partition: int
    incarnation: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one take returned: records in order within each partition, one span per partition."""

    records: tuple[Record, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """First kept and next free offset by partition, in the stream's present incarnation."""

    incarnation: str
    first: dict[int, int]
    end: dict[int, int]


Start = Callable[[int], Position | None]


class Member(Closing, Protocol):
    """One reader. Raises PositionLostError rather than reset a position silently."""

    def take(self, limit: int, within_s: float) -> Batch:
        """Return up to `limit` records as soon as there are any, or none after `within_s`.

        What was taken and not settled comes again after a crash, not from this member.
        `take(0, 0)` only keeps the membership alive while a batch is worked on.
        """

    def settle(self, spans: Iterable[Span]) -> None:
        """Mark spans as done, durably, never backwards; raises FencedError when stale."""

    def seek(self, partition: int, offset: int) -> None:
        """Go on reading a partition from an offset; raises PositionLostError."""

    def lag(self) -> int:
        """Records that this member has not taken yet, over its partitions."""

    def close(self) -> None:
        """Leave the group."""


class Log(Closing, Protocol):
    """Streams, and readers that share them by group."""

    def create(self, stream: str, partitions: int | None = None, retain_s: float | None = None) -> None:
        """Create the stream if absent; raises StreamMismatchError at another partition count.

        None means the implementation's default: 1 partition embedded, 4 on Kafka; 7 days.
        """

    def streams(self) -> list[str]:
        """Names of the streams there are (on Kafka, of those under our prefix), sorted."""

    def bounds(self, stream: str) -> Bounds:
        """Say what the log holds of a stream; raises StreamUnknownError."""

    def settled(self, stream: str, group: str) -> dict[int, int]:
        """The next offset by partition that a group settled; a partition it never did is absent."""

    def append(self, stream: str, records: Sequence[NewRecord]) -> None:
        """Append; on return every record is durable, and ordered within its partition.

        Raises RecordTooLargeError (and appends none), StreamUnknownError, or
        LogUnavailableError, after which any of the records may or may not have been appended.
        """

    def join(self, stream: str, group: str | None, start: Start | None = None) -> Member:
        """Join a group of readers; each partition begins at `start(partition)`.

        Where that is None: at what the group settled, else at the first record. A group of
        None is a reader of its own: all partitions, no membership, and settles nothing.
        Raises MemberBusyError (embedded: one member per group) or StreamUnknownError.
        """

    def close(self) -> None:
        """Drain and release everything; members of this log are closed too."""
