"""What is asked of a Kafka cluster about streams: create, list, bounds, settled positions."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import kafka
from kafka.admin import OffsetSpec
from kafka.errors import RetriableError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.net.compat import KafkaNetClient

from .errors import LogError, LogUnavailableError, StreamMismatchError, StreamUnknownError
from .kafka_errors import explained
from .log import RETAIN_S, Bounds

PARTITIONS = 4
MAX_RECORD_BYTES = 4 << 20
# Kafka's limit counts the batch around a record too.
BATCH_BYTES = MAX_RECORD_BYTES + (64 << 10)
RETRY_S = 0.1
_DAY_MS = 86_400_000
# At DEBUG it writes its settings into the log, with the password.
logging.getLogger("kafka.admin.client").setLevel(logging.INFO)
T = TypeVar("T")
C = TypeVar("C")


class Cluster:
    """One admin connection, made when first needed; threads may share it.

    Every call ends within about `timeout_s`. Names given and returned are streams and
    groups; `prefix` goes before them on the wire.
    """

    def __init__(
        self, servers: list[str], prefix: str, options: Mapping[str, Any], timeout_s: float
    ) -> None:
        self.servers, self.prefix, self.options = servers, prefix, dict(options)
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._admin: kafka.KafkaAdminClient | None = None
        self._closed = False

    def settings(self) -> dict[str, Any]:
        """Return the settings that every client of this cluster gets."""
        timeout_ms = int(self.timeout_s * 1000)
        return {
            "bootstrap_servers": self.servers, "client_id": "newsquake",
            "bootstrap_timeout_ms": timeout_ms, "request_timeout_ms": timeout_ms,
            "reconnect_backoff_max_ms": 1000, **self.options,
        }

    def connect(self, kind: Callable[..., C], **settings: Any) -> C:
        """Make a client; raises LogUnavailableError where there is no cluster.

        kafka-python 3.0.12 leaves its network thread running when a constructor fails, one
        more at every attempt: so we hold on to what it makes inside, and stop that.
        """
        made: list[KafkaNetClient] = []

        def network(**inner: Any) -> KafkaNetClient:
            made.append(KafkaNetClient(**inner))
            return made[-1]

        with explained(f"cannot reach Kafka at {','.join(self.servers)}"):
            try:
                return kind(**{**self.settings(), **settings, "kafka_client": network})
            except BaseException:
                for client in made:
                    client.close()
                raise

    def admin(self) -> kafka.KafkaAdminClient:
        """Return the admin connection; raises LogUnavailableError where there is no cluster."""
        with self._lock:
            if self._closed:
                raise LogError("the log is closed")
            if self._admin is None:
                timeout_ms = int(self.timeout_s * 500)  # half: _ask may ask a second time
                self._admin = self.connect(
                    kafka.KafkaAdminClient, request_timeout_ms=timeout_ms
                )
            return self._admin

    def _ask(self, what: str, question: Callable[[kafka.KafkaAdminClient], T]) -> T:
        """Ask, again where that may help (a coordinator still loads), until the deadline."""
        deadline = time.monotonic() + self.timeout_s
        with explained(what):
            while True:
                try:
                    return question(self.admin())
                except RetriableError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(RETRY_S)

    def create(self, stream: str, partitions: int | None, retain_s: float | None) -> None:
        """Create a stream if absent; raises StreamMismatchError at another partition count."""
        retain_ms = int((RETAIN_S if retain_s is None else retain_s) * 1000)
        wanted = {
            "num_partitions": partitions or PARTITIONS,
            "configs": {
                "retention.ms": str(retain_ms), "cleanup.policy": "delete",
                "max.message.bytes": str(BATCH_BYTES),
                # Kafka deletes whole segments: with its default of a week, twice as late.
                "segment.ms": str(min(_DAY_MS, max(1000, retain_ms // 4))),
            },
        }
        name = self.prefix + stream
        with explained(f"cannot create stream {stream}"):
            try:
                self.admin().create_topics({name: wanted}, timeout_ms=int(self.timeout_s * 1000))
                self.admin().wait_for_topics([name], timeout_ms=self.timeout_s * 1000)
            except TopicAlreadyExistsError:
                self._compare(stream, partitions)

    def _compare(self, stream: str, partitions: int | None) -> None:
        found = len(self.describe(stream)[1])
        if partitions not in (None, found):
            raise StreamMismatchError(f"stream {stream} has {found} partitions, not {partitions}")

    def streams(self) -> list[str]:
        """Name the streams under our prefix, sorted."""
        names = self._ask("cannot list the streams", lambda admin: admin.list_topics())
        return sorted(
            name.removeprefix(self.prefix) for name in names if name.startswith(self.prefix)
        )

    def describe(self, stream: str) -> tuple[str, list[int]]:
        """Return a stream's incarnation (Kafka's topic id) and partitions."""
        (found,) = self._ask(
            f"cannot describe stream {stream}",
            lambda admin: admin.describe_topics([self.prefix + stream]),
        )
        code = found["error_code"]
        if code == UnknownTopicOrPartitionError.errno:
            raise StreamUnknownError(f"no such stream: {stream}")
        if code:
            raise LogUnavailableError(f"stream {stream} is not ready: Kafka error {code}")
        partitions = sorted(part["partition_index"] for part in found["partitions"])
        return uuid.UUID(str(found["topic_id"])).hex, partitions

    def bounds(self, stream: str) -> Bounds:
        """Say what the cluster holds of a stream."""
        incarnation, partitions = self.describe(stream)
        return Bounds(
            incarnation,
            self._offsets(stream, partitions, OffsetSpec.EARLIEST),
            self._offsets(stream, partitions, OffsetSpec.LATEST),
        )

    def ends(self, stream: str, partitions: list[int]) -> dict[int, int]:
        """Return the next free offset of some partitions."""
        return self._offsets(stream, partitions, OffsetSpec.LATEST)

    def _offsets(self, stream: str, partitions: list[int], spec: OffsetSpec) -> dict[int, int]:
        wanted = {kafka.TopicPartition(self.prefix + stream, number): spec for number in partitions}
        found = self._ask(
            f"cannot ask for the offsets of stream {stream}",
            lambda admin: admin.list_partition_offsets(
                wanted, timeout_ms=int(self.timeout_s * 1000)
            ),
        )
        return {place.partition: int(answer.offset) for place, answer in found.items()}

    def settled(self, stream: str, group: str) -> dict[int, tuple[str, int]]:
        """Return incarnation and offset that a group settled, by partition."""
        _, partitions = self.describe(stream)
        places = [kafka.TopicPartition(self.prefix + stream, number) for number in partitions]
        answer = self._ask(
            f"cannot ask what group {group} settled",
            lambda admin: admin.list_group_offsets({self.prefix + group: places}),
        )
        return {
            place.partition: (stored.metadata, stored.offset)
            for place, stored in answer[self.prefix + group].items()
            if stored.offset is not None and stored.offset >= 0
        }

    def close(self) -> None:
        """Release the connection."""
        with self._lock:
            self._closed = True
            if self._admin is not None:
                self._admin.close()
                self._admin = None
