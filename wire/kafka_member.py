"""A reader of a Kafka stream: one member of a group, or a reader of its own."""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import kafka
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from .closing import Closing
from .errors import FencedError, LogError, PositionLostError
from .kafka_cluster import Cluster
from .kafka_errors import explained
from .log import Batch, Bounds, Position, Record, Span, Start

SLICE_S = 0.1
# How often a reader asks whether its stream was recreated: Fetch goes by name, not by id.
IDENTITY_S = 5.0


@dataclass
class Owned:
    """A partition that may be read: from `begin` on, next `next`, delivered up to `high`."""

    begin: int
    next: int
    high: int
    settled: int


@dataclass(frozen=True)
class Assignment:
    """The partitions of one generation of the group, and those whose start is set already.

    A new one replaces it at every rebalance, so that nothing outlives its generation.
    """

    partitions: frozenset[int] = frozenset()
    owned: dict[int, Owned] = field(default_factory=dict)


class _Rebalance(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on kafka-python's network thread, so it only notes; it must not wait or ask."""

    def __init__(self, member: "KafkaMember") -> None:
        self._member = member

    def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        self._member.assignment = Assignment()

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._member.hold(assigned)


class KafkaMember(Closing):
    """Delivers nothing of a partition before its start is set. Threads may share it.

    After a rebalance every partition begins again at its stored or settled position, so
    what was taken and not settled comes again, here or at another member.
    """

    def __init__(
        self, cluster: Cluster, stream: str, group: str | None, start: Start | None,
        *, session_s: float, busy_s: float, on_close: Callable[["KafkaMember"], None],
    ) -> None:
        self._cluster, self._stream, self._group, self._start = cluster, stream, group, start
        self._on_close = on_close
        self._lock = threading.RLock()
        self._closed = False
        self.assignment = Assignment()
        self._bounds = cluster.bounds(stream)
        self._identified = time.monotonic()
        self._consumer = _connect(cluster, group, session_s, busy_s)
        try:
            self._begin()
        except BaseException:
            self._consumer.close(autocommit=False, timeout_ms=0)
            raise

    @property
    def _incarnation(self) -> str:
        return self._bounds.incarnation

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._cluster.prefix + self._stream, partition)

    def _begin(self) -> None:
        if self._group is not None:
            topic = self._cluster.prefix + self._stream
            self._consumer.subscribe([topic], listener=_Rebalance(self))
            # The group's leader shares out the partitions that its own metadata shows. Joining
            # before it shows this stream would leave everybody with nothing.
            self._consumer.partitions_for_topic(topic)
            return
        places = {self._place(partition) for partition in self._bounds.end}
        self._consumer.assign(sorted(places))
        self.hold(places)
        self._set_starts()

    def hold(self, places: set[TopicPartition]) -> None:
        """Note what was assigned, and pause it until its start is set."""
        for place in places:
            # A position of any kind keeps kafka-python from choosing one by itself.
            self._consumer.seek(place, 0)
        if places:
            self._consumer.pause(*places)
        self.assignment = Assignment(frozenset(place.partition for place in places))

    def take(self, limit: int, within_s: float) -> Batch:
        """Return up to `limit` records as soon as there are any."""
        if limit <= 0:
            self._keep()
            return Batch()
        deadline = time.monotonic() + within_s
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            batch = self._take_slice(limit, min(left_s, SLICE_S))
            if batch.spans or time.monotonic() >= deadline:
                return batch

    def _take_slice(self, limit: int, for_s: float) -> Batch:
        with self._lock:
            consumer = self._open()
            self._identify()
            self._set_starts()
            with explained(f"cannot read stream {self._stream}"):
                polled = consumer.poll(timeout_ms=int(for_s * 1000), max_records=limit)
            return self._batch(polled)

    def _keep(self) -> None:
        """Take part in the group, and take no record."""
        with self._lock:
            consumer = self._open()
            self._set_starts()
            places = [self._place(partition) for partition in self.assignment.owned]
            consumer.pause(*places)
            try:
                with explained("cannot keep the membership"):
                    consumer.poll(timeout_ms=0)
            finally:
                for partition in self.assignment.owned:
                    consumer.resume(self._place(partition))

    def _open(self) -> kafka.KafkaConsumer:
        if self._closed:
            raise LogError("this member is closed")
        return self._consumer

    def _identify(self) -> None:
        if time.monotonic() - self._identified < IDENTITY_S:
            return
        incarnation, _ = self._cluster.describe(self._stream)
        if incarnation != self._incarnation:
            raise PositionLostError(f"stream {self._stream} was recreated while it was read")
        self._identified = time.monotonic()

    def _set_starts(self) -> None:
        assignment = self.assignment
        missing = sorted(assignment.partitions - assignment.owned.keys())
        if not missing:
            return
        self._bounds = self._known_bounds()
        settled = self._cluster.settled(self._stream, self._group) if self._group else {}
        for partition in missing:
            wanted = self._start(partition) if self._start is not None else None
            offset = begin_at(self._stream, partition, self._bounds, wanted, settled.get(partition))
            _, done = settled.get(partition, ("", 0))
            if assignment is not self.assignment:
                return  # moved meanwhile; the next round asks again
            with suppress(ValueError):  # the same, in this very moment
                self._consumer.seek(self._place(partition), offset)
                self._consumer.resume(self._place(partition))
                assignment.owned[partition] = Owned(offset, offset, offset, done)

    def _known_bounds(self) -> Bounds:
        bounds = self._cluster.bounds(self._stream)
        if bounds.incarnation != self._incarnation:
            raise PositionLostError(f"stream {self._stream} was recreated while it was read")
        return bounds

    def _batch(self, polled: dict[TopicPartition, list[Any]]) -> Batch:
        records: list[Record] = []
        spans: list[Span] = []
        owned = self.assignment.owned
        for place, found in sorted(polled.items()):
            held = owned.get(place.partition)
            if held is None or not found:
                continue
            records += [
                Record(each.partition, each.offset, each.key or b"", each.value or b"")
                for each in found
            ]
            start, held.next = held.next, found[-1].offset + 1
            held.high = max(held.high, held.next)
            spans.append(
                Span(self._stream, place.partition, self._incarnation, start, held.next)
            )
        return Batch(tuple(records), tuple(spans))

    def settle(self, spans: Iterable[Span]) -> None:
        """Commit; raises FencedError when a partition has moved since the take."""
        done = tuple(spans)
        with self._lock:
            if self._closed:
                raise FencedError("this member has left its group")
            if self._group is None or not done:
                return
            stops = self._fenced(done)
            if not stops:
                return
            offsets = {
                self._place(partition): OffsetAndMetadata(stop, self._incarnation, -1)
                for partition, stop in stops.items()
            }
            with explained(f"cannot settle on stream {self._stream}"):
                self._consumer.commit(offsets, timeout_ms=int(self._cluster.timeout_s * 1000))
            for partition, stop in stops.items():
                self.assignment.owned[partition].settled = stop

    def _fenced(self, spans: Iterable[Span]) -> dict[int, int]:
        """Return what to commit, by partition; settled already is nothing to commit."""
        stops: dict[int, int] = {}
        for span in spans:
            held = self.assignment.owned.get(span.partition)
            if span.stream != self._stream or span.incarnation != self._incarnation:
                raise FencedError(f"of another life of the stream: {span}")
            if held is None or span.start < held.begin or span.stop > held.high:
                raise FencedError(f"its partition has moved since: {span}")
            if span.stop > max(held.settled, stops.get(span.partition, 0)):
                stops[span.partition] = span.stop
        return stops

    def seek(self, partition: int, offset: int) -> None:
        """Go on reading a partition from an offset."""
        with self._lock:
            consumer = self._open()
            held = self.assignment.owned.get(partition)
            if held is None:
                raise FencedError(f"partition {partition} of {self._stream} is not this member's")
            checked(self._stream, partition, self._known_bounds(),
                    Position(self._incarnation, offset))
            consumer.seek(self._place(partition), offset)
            held.begin, held.next = min(held.begin, offset), offset

    def lag(self) -> int:
        """Count the records of its partitions that were not taken yet."""
        with self._lock:
            self._open()
            owned = self.assignment.owned
            if not owned:
                return 0
            ends = self._cluster.ends(self._stream, sorted(owned))
            return sum(max(0, end - owned[partition].next) for partition, end in ends.items())

    def close(self) -> None:
        """Leave the group."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.assignment = Assignment()
            with suppress(KafkaError):
                timeout_ms = int(min(5.0, self._cluster.timeout_s) * 1000)
                self._consumer.close(autocommit=False, timeout_ms=timeout_ms)
        self._on_close(self)


def begin_at(
    stream: str, partition: int, bounds: Bounds, wanted: Position | None,
    settled: tuple[str, int] | None,
) -> int:
    """Choose where a partition begins: where it should, else where it was settled, else first."""
    if wanted is None and settled is not None:
        incarnation, offset = settled
        wanted = Position(incarnation or bounds.incarnation, offset)
    if wanted is None:
        return bounds.first[partition]
    return checked(stream, partition, bounds, wanted)


def checked(stream: str, partition: int, bounds: Bounds, position: Position) -> int:
    """Return the offset; raises PositionLostError unless the stream can be read from it."""
    if position.incarnation != bounds.incarnation:
        raise PositionLostError(f"stream {stream} was recreated since {position}")
    first, end = bounds.first[partition], bounds.end[partition]
    if not first <= position.offset <= end:
        raise PositionLostError(
            f"partition {partition} of stream {stream} holds offsets {first} to {end}, "
            f"not {position.offset}"
        )
    return position.offset


def _connect(
    cluster: Cluster, group: str | None, session_s: float, busy_s: float
) -> kafka.KafkaConsumer:
    return cluster.connect(
        kafka.KafkaConsumer,
        group_id=None if group is None else cluster.prefix + group,
        auto_offset_reset="none", enable_auto_commit=False, allow_auto_create_topics=False,
        session_timeout_ms=int(session_s * 1000),
        heartbeat_interval_ms=int(session_s * 1000 / 4),
        max_poll_interval_ms=int(busy_s * 1000),
        fetch_max_bytes=16 << 20,
    )
