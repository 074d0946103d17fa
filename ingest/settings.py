"""What can be set about ingest; defaults sit here, beside the code that they configure."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .errors import SourcesError

Seconds = Annotated[float, Field(gt=0)]


class Source(BaseModel):
    """One feed or news sitemap that is polled.

    `name` stands in every article and must be unique. `allow_private` lets the source live on
    a private or loopback address; without it a connection to one is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    url: str = Field(pattern=r"^https?://")
    kind: Literal["rss", "sitemap"] = "rss"
    interval_s: Seconds = 300.0
    allow_private: bool = False


def refuse_twins(sources: Iterable[Source]) -> None:
    """Raise SourcesError where two sources have one name."""
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourcesError(f"two sources are called {', '.join(twice)}")


class IngestSettings(BaseModel):
    """How sources are polled.

    `gap_s`: a source that was not polled with success for so long (and for three intervals)
    is caught up with as backfill. `timeout_s` is for one fetch as a whole, redirects
    included. `max_bytes` is after decompression. `keep_ids_days`: how long an article's id is
    remembered by the live stage; an item that a feed still shows after that comes again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    heartbeat_s: Seconds = 5.0
    gap_s: Seconds = 3600.0
    timeout_s: Seconds = 20.0
    connect_timeout_s: Seconds = 5.0
    max_bytes: int = Field(default=10 << 20, gt=0)
    max_redirects: int = Field(default=5, ge=0)
    concurrency: int = Field(default=8, ge=1, le=64)
    start_spread_s: float = Field(default=5.0, ge=0)
    backoff_max_s: Seconds = 1800.0
    keep_ids_days: float = Field(default=400.0, ge=7)
    user_agent: str = "newsquake/0.1 (+https://example.org/newsquake; feed reader)"
    partitions: int | None = Field(default=None, ge=1)
    retain_s: Seconds | None = None
