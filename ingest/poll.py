"""How a replay gets at the entries of a step: over local HTTP, or directly."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from .archive import Row
from .entries import Entry
from .errors import ReplayError
from .feeds import parse
from .fetch import Changed, Fetcher, Result
from .metrics import IngestMetrics
from .newswire import Newswire

ATTEMPTS = 4

Found = list[tuple[str, Entry]]


class Poll(Protocol):
    """Gets the entries of rows, each with its source."""

    def __call__(self, rows: Sequence[Row]) -> Found:
        """Return one entry for each row, in any order."""


def poll_directly(rows: Sequence[Row]) -> Found:
    """Return the rows' entries without HTTP and parsing."""
    return [(row.source, row.entry()) for row in rows]


class PollNewswire:
    """Shows the rows on the newswire and polls each source that has something new.

    Raises ReplayError if a feed does not come, or not whole: no row is lost silently.
    """

    def __init__(self, newswire: Newswire, fetcher: Fetcher, metrics: IngestMetrics) -> None:
        self._newswire, self._fetcher, self._metrics = newswire, fetcher, metrics

    def __call__(self, rows: Sequence[Row]) -> Found:
        """Return the entries as they came back, source by source."""
        window: dict[str, list[Entry]] = defaultdict(list)
        for row in rows:
            window[row.source].append(row.entry())
        self._newswire.show(window)
        return [(source, entry) for source in window for entry in self._poll(source, len(window[source]))]

    def _poll(self, source: str, expected: int) -> Sequence[Entry]:
        found = self._get(self._newswire.url(source))
        self._metrics.polls.labels("rss", "changed" if isinstance(found, Changed) else "failed").inc()
        if not isinstance(found, Changed):
            raise ReplayError(f"{source}: {found}")
        parsed = parse(found.body, found.content_type)
        if len(parsed.entries) != expected:
            raise ReplayError(f"{source}: {len(parsed.entries)} of {expected} entries {parsed.problem}")
        return parsed.entries

    def _get(self, url: str) -> Result:
        """Fetch; a kept-alive connection may have died meanwhile, so try again a few times."""
        for attempt in range(ATTEMPTS):
            found = self._fetcher.get(url, allow_private=True)
            if isinstance(found, Changed):
                break
            time.sleep(0.05 * attempt)
        return found
