"""What the view shows, read from the process's own metrics, the store and the receiver."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from alerts import report
from alerts.windows import Sums
from newsquake.installation import Installation
from wire.messages import Incident

from .receiver import Receipt, describe
from .view import Snapshot, Trend


class Snapshots:
    """Takes snapshots; keeps every line of the receiver, from any thread."""

    def __init__(
        self, here: Installation, clock: Callable[[], datetime], phase: Callable[[], str]
    ) -> None:
        self._here, self._clock, self._phase = here, clock, phase
        self._sums = Sums()
        self._lock = threading.Lock()
        self._webhooks: list[str] = []
        self.urls: Sequence[tuple[str, str]] = ()

    def receipt(self, receipt: Receipt) -> None:
        """Keep what came in."""
        with self._lock:
            self._webhooks.append(describe(receipt))

    def take(self) -> Snapshot:
        """The state now."""
        store = self._here.store
        with self._lock:
            webhooks = tuple(self._webhooks)
        incidents = report.incidents(store, open_only=True)
        surging = {key for incident in incidents for key in keys_of(incident)}
        return Snapshot(
            time=self._clock(),
            phase=self._phase(),
            articles=self._sample("newsquake_articles_admitted_total"),
            scored=self._sample("newsquake_articles_scored_total"),
            counted=self._sample("newsquake_articles_counted_total"),
            lag=self._sample("newsquake_consumer_lag_records"),
            trends=tuple(
                Trend(
                    each.watch or each.topic or "all", each.observed, each.expected, each.upper,
                    surging=(each.topic, each.watch) in surging,
                )
                for each in report.trends(store, self._sums)
            ),
            incidents=tuple(map(told, incidents)),
            webhooks=webhooks,
            urls=tuple(self.urls),
        )

    def _sample(self, name: str) -> int:
        """A metric's value, summed over its labels."""
        families = self._here.registry.collect()
        return int(
            sum(each.value for family in families for each in family.samples if each.name == name)
        )


def keys_of(incident: Incident) -> list[tuple[str | None, str | None]]:
    """The keys that surge in an incident: its own, and those that surge on the same stories."""
    return [(incident.topic, incident.watch), *((o["topic"], o["watch"]) for o in incident.also)]


def told(incident: Incident) -> str:
    """An incident in one line."""
    key = incident.watch or incident.topic or "all"
    return (
        f"{incident.opened_at:%H:%M} {incident.severity} {key}: {incident.observed} negative"
        f" stories, {incident.expected:.1f} expected"
    )
