"""When each source is polled next. Pure but for the state that it is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from .settings import IngestSettings, Source


@dataclass(slots=True)
class Turn:
    """A source's next poll, on the monotonic clock."""

    source: Source
    at: float


def fraction(name: str, count: int = 0) -> float:
    """Return a number in [0, 1) that only depends on name and count: jitter without randomness."""
    return int.from_bytes(sha256(f"{name}\0{count}".encode()).digest()[:6], "big") / (1 << 48)


def first_turns(sources: Iterable[Source], start: float, settings: IngestSettings) -> list[Turn]:
    """Spread the first polls over `start_spread_s`, so that they do not all come at once."""
    return [
        Turn(source, start + fraction(source.name) * min(settings.start_spread_s, source.interval_s))
        for source in sources
    ]


def next_delay_s(source: Source, failures: int, settings: IngestSettings) -> float:
    """Return the seconds to a source's next poll: its interval, up to 10% less so that sources drift apart.

    A failing source's interval doubles with each failure after the first, up to
    `backoff_max_s` (or its own interval, where that is longer).
    """
    limit = max(settings.backoff_max_s, source.interval_s)
    doublings = min(max(failures - 1, 0), 20)
    delay = min(source.interval_s * (1 << doublings), limit)
    return delay * (1 - 0.1 * fraction(source.name, failures))
