"""What the sources were like when we last heard: the newest heartbeat of the log."""

from wire.errors import BadMessageError, LogError
from wire.log import Log, Position
from wire.messages import Heartbeat, decode

# Records looked at, from the end of each partition: heartbeats come every few seconds.
TAILS = (500, 20_000)
PATIENCE_S = 5.0


def last_heartbeat(log: Log, stream: str) -> Heartbeat | None:
    """Find the newest heartbeat at the end of a stream; None where there is none, or no log now.

    It settles nothing and joins no group.
    """
    try:
        for tail in TAILS:
            if (found := _newest(log, stream, tail)) is not None:
                return found
    except LogError:
        return None
    return None


def _newest(log: Log, stream: str, tail: int) -> Heartbeat | None:
    bounds = log.bounds(stream)
    starts = {p: max(bounds.first[p], end - tail) for p, end in bounds.end.items()}
    left = sum(bounds.end[p] - start for p, start in starts.items())
    newest: Heartbeat | None = None
    with log.join(stream, None, lambda p: Position(bounds.incarnation, starts[p])) as member:
        while left > 0 and (batch := member.take(1000, PATIENCE_S)).records:
            left -= len(batch.records)
            for record in batch.records:
                beat = _heartbeat(record.value)
                if beat is not None and (newest is None or beat.through > newest.through):
                    newest = beat
    return newest


def _heartbeat(value: bytes) -> Heartbeat | None:
    try:
        found = decode(value)
    except BadMessageError:
        return None
    return found if isinstance(found, Heartbeat) else None
