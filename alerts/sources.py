"""How much of the news is covered: which sources speak, and how much each usually says.

A key's normal volume is proportional to coverage: ten new feeds are no crisis. A source that appeared
lately is not judged until it has been listened to for two days, since nobody knows yet what is much
from it; then it counts, and what is expected rises by what it usually says.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from .keys import BUCKET_S, DAY_S
from .shape import HOUR_S, Pool
from .stories import Row, Rows

YOUNG_S = 2 * DAY_S
_HALF_S = 14 * DAY_S
_PRIOR_S = 2 * 3600
_LEAST = 1e-3  # stories a bucket: what is covered before anything was seen


class Source(msgspec.Struct):
    """Since when a source speaks (a bucket), its articles, and for how many buckets of a flat week."""

    since: int
    articles: float = 0.0
    buckets: float = 0.0

    @property
    def rate(self) -> float:
        """Articles of an average bucket."""
        return self.articles / (self.buckets + _PRIOR_S / BUCKET_S)


class Sources(msgspec.Struct):
    """Every source that was heard, by name; `began` is the first bucket of all."""

    began: int = 0
    known: dict[str, Source] = msgspec.field(default_factory=dict)
    hour: dict[str, int] = msgspec.field(default_factory=dict)
    flat: float = 0.0

    def meet(self, rows: Iterable[Row]) -> None:
        """Note sources when their first articles come."""
        for row in rows:
            self.began = self.began or row.bucket
            if row.source not in self.known:
                self.known[row.source] = Source(row.bucket)

    def grown(self, name: str, bucket: int) -> bool:
        """Whether a source's articles of a bucket are judged; those that came first always are."""
        source = self.known.get(name)
        if source is None or source.since <= self.began + YOUNG_S:
            return True
        return bucket >= source.since + YOUNG_S

    def hear(self, articles: Mapping[str, int], flat: float) -> None:
        """Note a bucket's articles by source; `flat` is how much of a flat week's bucket it is."""
        for name, number in articles.items():
            self.hour[name] = self.hour.get(name, 0) + number
        self.flat += flat

    def learn(self, bucket: int) -> None:
        """Learn from the hour that ends with a bucket."""
        forget = 0.5 ** (HOUR_S / _HALF_S)
        for name, source in self.known.items():
            if source.since <= bucket:
                source.articles = forget * source.articles + self.hour.get(name, 0)
                source.buckets = forget * source.buckets + self.flat
        self.hour, self.flat = {}, 0.0

    def coverage(self, bucket: int) -> float:
        """Articles of an average bucket from all that is judged."""
        return sum(
            (one.rate for name, one in self.known.items()
             if one.since <= bucket and self.grown(name, bucket)), _LEAST
        )


class Shared(msgspec.Struct):
    """What all keys share: the pooled shape of the week, and the sources."""

    pool: Pool = msgspec.field(default_factory=Pool)
    sources: Sources = msgspec.field(default_factory=Sources)


class Judged:
    """Rows without those of sources that were too young when they came."""

    def __init__(self, rows: Rows, sources: Sources) -> None:
        self._rows, self._sources = rows, sources

    def between(self, start: int, stop: int) -> Sequence[Row]:
        """Return the rows of some buckets."""
        rows = self._rows.between(start, stop)
        return [row for row in rows if self._sources.grown(row.source, row.bucket)]

    def earlier(self, stories: Iterable[str], since: int, before: int) -> Sequence[Row]:
        """Return the earlier rows of some stories."""
        return [
            row for row in self._rows.earlier(stories, since, before)
            if self._sources.grown(row.source, row.bucket)
        ]


def by_bucket(rows: Iterable[Row]) -> dict[int, dict[str, int]]:
    """Count articles by bucket and source."""
    found: dict[int, dict[str, int]] = {}
    for row in rows:
        cells = found.setdefault(row.bucket, {})
        cells[row.source] = cells.get(row.source, 0) + 1
    return found
