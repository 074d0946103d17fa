"""Which log a URL names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .embedded import EmbeddedLog
from .errors import LogError
from .log import Log

DEFAULT_PREFIX = "newsquake."


def open_log(
    url: str, home: Path, prefix: str = DEFAULT_PREFIX,
    kafka_options: Mapping[str, Any] | None = None,
) -> Log:
    """Open `embedded` (the file log.db in `home`) or `kafka://host:port[,host:port]`.

    `prefix` goes before stream names on Kafka; `kafka_options` are kafka-python's security
    settings. Raises LogError at any other URL.
    """
    if url == "embedded":
        return EmbeddedLog(home / "log.db")
    scheme, _, servers = url.partition("://")
    if scheme != "kafka" or not servers.strip("/"):
        raise LogError(f"not a log: {url!r}; say embedded, or kafka://host:port[,host:port]")
    # Imported only here: kafka-python costs a tenth of a second that the embedded log saves.
    from .kafka import KafkaLog

    return KafkaLog(servers.strip("/").split(","), prefix, kafka_options or {})
