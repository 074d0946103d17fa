"""Appending to Kafka: an idempotent producer, and all acknowledgements before it returns."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import kafka
from kafka.errors import KafkaError

from .errors import LogError, RecordTooLargeError, StreamMismatchError
from .kafka_cluster import BATCH_BYTES, MAX_RECORD_BYTES, Cluster
from .kafka_errors import explained
from .log import NewRecord

# One append fills requests of this size, so that thousands of records are few round trips.
REQUEST_BYTES = 512 << 10


class Appender:
    """Appends for all threads, through one producer.

    After a failed append the producer is thrown away with what it still held: a record
    sent late would overtake the caller's next attempt.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._producer: kafka.KafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._closed = False

    def append(self, stream: str, records: Sequence[NewRecord]) -> None:
        """Send, and wait until every record is acknowledged by all replicas in sync."""
        deadline = time.monotonic() + self._cluster.timeout_s
        count = self._partition_count(stream)
        for record in records:
            _check(stream, record, count)
        producer = self._connected()
        try:
            with explained(f"cannot append to stream {stream}"):
                topic = self._cluster.prefix + stream
                sent = [
                    producer.send(topic, record.value, key=record.key, partition=record.partition)
                    for record in records
                ]
                _acknowledged(sent, deadline)
        except BaseException:
            self._partitions.pop(stream, None)
            self._discard(producer)
            raise

    def _partition_count(self, stream: str) -> int:
        if stream not in self._partitions:
            self._partitions[stream] = len(self._cluster.describe(stream)[1])
        return self._partitions[stream]

    def _connected(self) -> kafka.KafkaProducer:
        with self._lock:
            if self._closed:
                raise LogError("the log is closed")
            if self._producer is None:
                self._producer = self._connect()
            return self._producer

    def _connect(self) -> kafka.KafkaProducer:
        timeout_ms = int(self._cluster.timeout_s * 1000)
        return self._cluster.connect(
            kafka.KafkaProducer,
            # Records expire before our own wait ends, so that none is left to be sent late.
            request_timeout_ms=timeout_ms * 2 // 5, delivery_timeout_ms=timeout_ms * 4 // 5,
            max_block_ms=timeout_ms, acks="all", enable_idempotence=True,
            batch_size=REQUEST_BYTES, max_request_size=BATCH_BYTES,
            allow_auto_create_topics=False,
        )

    def _discard(self, producer: kafka.KafkaProducer) -> None:
        with self._lock:
            if self._producer is producer:
                self._producer = None
        _close(producer, 0)

    def close(self) -> None:
        """Finish what other threads are appending, then release the connection."""
        with self._lock:
            self._closed = True
            producer, self._producer = self._producer, None
        if producer is not None:
            _close(producer, self._cluster.timeout_s)


def _check(stream: str, record: NewRecord, partitions: int) -> None:
    if record.partition is not None and not 0 <= record.partition < partitions:
        raise StreamMismatchError(
            f"stream {stream} has partitions 0 to {partitions - 1}, not {record.partition}"
        )
    size = len(record.key) + len(record.value)
    if size > MAX_RECORD_BYTES:
        raise RecordTooLargeError(
            f"a record of {size:,} bytes for {stream}; the limit is {MAX_RECORD_BYTES:,}"
        )


def _acknowledged(sent: Sequence[Any], deadline: float) -> None:
    """Wait for every record, and raise the first failure once all are settled or late."""
    failed: BaseException | None = None
    for future in sent:
        try:
            future.get(max(0.0, deadline - time.monotonic()))
        except KafkaError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _close(producer: kafka.KafkaProducer, timeout_s: float) -> None:
    with suppress(KafkaError):
        producer.close(timeout_s)
