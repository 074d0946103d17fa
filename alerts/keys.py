"""What is counted and judged, and the five-minute buckets that it is counted in."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

BUCKET_S = 300
DAY_S = 86_400
WEEK_S = 7 * DAY_S
MICROSECONDS = 1_000_000
MILLIONTHS = 1_000_000
WEEK_BUCKETS = WEEK_S // BUCKET_S
MAX_WEEKS = 1e12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Key(NamedTuple):
    """A topic, a watch, a watch in a topic, or both empty: everything."""

    topic: str = ""
    watch: str = ""

    @property
    def rank(self) -> int:
        """How general the key is: watches before topics before everything."""
        return 0 if self.watch else 1 if self.topic else 2

    @property
    def shown(self) -> str:
        """The key as a person says it."""
        if self.watch and self.topic:
            return f"{self.watch} ({self.topic})"
        return self.watch or self.topic or "All topics"


ALL = Key()


def microseconds(time: datetime) -> int:
    """Write a time with a zone as microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(stamp: int) -> datetime:
    """Read microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=stamp)


def bucket_of(stamp: int) -> int:
    """Name the bucket of a time in microseconds: its start, in seconds."""
    return stamp // (BUCKET_S * MICROSECONDS) * BUCKET_S


def end_of(bucket: int) -> int:
    """Say when a bucket ends, in microseconds."""
    return (bucket + BUCKET_S) * MICROSECONDS
