"""The log on Apache Kafka, for more than one machine: a stream is a topic under a prefix."""

from collections.abc import Mapping, Sequence
from typing import Any

from .closing import Closing
from .kafka_appender import Appender
from .kafka_cluster import Cluster
from .kafka_member import KafkaMember
from .log import Bounds, NewRecord, Start


class KafkaLog(Closing):
    """A Log on the cluster at `servers` ("host:port"). Threads may share it.

    `options` are kafka-python's security settings (`security_protocol`, `sasl_*`, `ssl_*`)
    and go to every client. It connects when first used; every call ends within about
    `timeout_s`. A member is thrown out of its group when it was not heard of for
    `session_s`, or took nothing for `busy_s` (`take(0, 0)` counts as taking).
    """

    def __init__(
        self, servers: Sequence[str], prefix: str = "newsquake.",
        options: Mapping[str, Any] | None = None, *,
        timeout_s: float = 15.0, session_s: float = 10.0, busy_s: float = 300.0,
    ) -> None:
        self._cluster = Cluster(list(servers), prefix, options or {}, timeout_s)
        self._appender = Appender(self._cluster)
        self._session_s, self._busy_s = session_s, busy_s
        self._members: set[KafkaMember] = set()

    def create(
        self, stream: str, partitions: int | None = None, retain_s: float | None = None
    ) -> None:
        """Create the stream (4 partitions, 7 days) if absent."""
        self._cluster.create(stream, partitions, retain_s)

    def streams(self) -> list[str]:
        """Name the streams under our prefix, sorted."""
        return self._cluster.streams()

    def bounds(self, stream: str) -> Bounds:
        """Say what the log holds of a stream; raises StreamUnknownError."""
        return self._cluster.bounds(stream)

    def settled(self, stream: str, group: str) -> dict[int, int]:
        """Say up to where a group settled, by partition."""
        stored = self._cluster.settled(stream, group)
        return {partition: offset for partition, (_, offset) in stored.items()}

    def append(self, stream: str, records: Sequence[NewRecord]) -> None:
        """Append; on return all replicas in sync have acknowledged every record."""
        self._appender.append(stream, records)

    def join(self, stream: str, group: str | None, start: Start | None = None) -> KafkaMember:
        """Join a group; its partitions come with the first takes, and lost positions raise there.

        A reader of its own (group None) has all partitions at once.
        """
        member = KafkaMember(
            self._cluster, stream, group, start,
            session_s=self._session_s, busy_s=self._busy_s, on_close=self._members.discard,
        )
        self._members.add(member)
        return member

    def close(self) -> None:
        """Close the members, finish the appends in hand, release the connections."""
        for member in tuple(self._members):
            member.close()
        self._appender.close()
        self._cluster.close()
