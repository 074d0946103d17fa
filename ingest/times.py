"""Times as publishers write them -> aware datetimes in UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

STEP = timedelta(minutes=5)
TICK = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(raw: str) -> datetime | None:
    """Read RFC 3339, ISO 8601 (naive: UTC; date only: midnight) or RFC 822; None if it is none.

    Refuses nothing else: whether a time is plausible is for the caller.
    """
    raw = raw.strip()
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return _utc(read(raw))
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def bucket_start(time: datetime) -> datetime:
    """Return the start of the time's five minutes, aligned to the epoch."""
    return time - (time - EPOCH) % STEP


def micros(time: datetime) -> int:
    """Return microseconds since the epoch, exactly (a float would round)."""
    return (time - EPOCH) // TICK


def from_micros(value: int) -> datetime:
    """Return the time that `micros` was given."""
    return EPOCH + value * TICK
