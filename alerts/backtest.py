"""What would have been alerted: stored rows in, incidents out, by the live judge's own code."""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import NamedTuple

from wire.messages import Incident

from .desk import Desk
from .hours import Hour, hour_of
from .keys import BUCKET_S, MICROSECONDS, Key, bucket_of, microseconds
from .mentions import mentioned
from .settings import AlertsSettings
from .shape import HOUR_S
from .stories import MemoryRows, Row

Progress = Callable[[int], None]  # how many buckets more are judged


class Backtest(NamedTuple):
    """Incidents by (opened_at, id), and every key's hours, in order."""

    incidents: list[Incident]
    hours: dict[Key, list[Hour]]


class Label(NamedTuple):
    """An event that deserves an alert from `start` to `end` (microseconds); "" is any topic or watch."""

    topic: str
    watch: str
    start: int
    end: int

    def hit_by(self, incident: Incident) -> bool:
        """Whether an incident, or a key that surged with it, opened on this inside the event."""
        if not self.start <= microseconds(incident.opened_at) <= self.end:
            return False
        keys = [(incident.topic, incident.watch)]
        keys += [(other.get("topic"), other.get("watch")) for other in incident.also]
        return any(
            self.topic in ("", topic or "") and self.watch in ("", watch or "")
            for topic, watch in keys
        )


class Agreement(NamedTuple):
    """How incidents agree with labels: shares of incidents and of labels; the median of delays.

    None where there is nothing to divide by.
    """

    precision: float | None
    recall: float | None
    median_delay_minutes: float | None


def backtest(
    rows: Iterable[Row],
    start: int,
    stop: int,
    settings: AlertsSettings,
    blind: Container[int] = frozenset(),
    progress: Progress = lambda _buckets: None,
) -> Backtest:
    """Judge the buckets `start <= bucket < stop` over rows.

    `blind` names the buckets that nobody watched. Late and backfill rows must not be given. Rows
    before `start` are what judge and mentions know of copies.
    """
    rows = list(rows)
    desk, memory = Desk(settings), MemoryRows(rows)
    found = {
        one.id: one for one in mentioned(rows, settings)
        if start <= bucket_of(microseconds(one.opened_at)) < stop
    }
    hours: dict[Key, list[Hour]] = {}
    begin = start
    while begin < stop:
        end = min(begin // HOUR_S * HOUR_S + HOUR_S, stop)
        for change in desk.judge(begin, end, memory, blind):
            found[change.incident.id] = change.incident
        for key, row in desk.rows():
            hours.setdefault(key, []).append(hour_of(row, end, (end - begin) // BUCKET_S))
        progress((end - begin) // BUCKET_S)
        begin = end
    ordered = sorted(found.values(), key=lambda incident: (incident.opened_at, incident.id))
    return Backtest(ordered, hours)


def first_hits(incidents: Iterable[Incident], labels: Iterable[Label]) -> list[Incident | None]:
    """Return, of each label, the first incident that hits it; None where it was missed."""
    ordered = sorted(incidents, key=lambda incident: (incident.opened_at, incident.id))
    return [next((one for one in ordered if label.hit_by(one)), None) for label in labels]


def agreement(incidents: Sequence[Incident], labels: Sequence[Label]) -> Agreement:
    """Hold incidents against labels; a label's delay is to the first incident that hits it."""
    true = sum(any(label.hit_by(incident) for label in labels) for incident in incidents)
    hits = first_hits(incidents, labels)
    delays = [
        (microseconds(hit.opened_at) - label.start) / MICROSECONDS / 60
        for label, hit in zip(labels, hits, strict=True) if hit is not None
    ]
    return Agreement(
        precision=true / len(incidents) if incidents else None,
        recall=len(delays) / len(labels) if labels else None,
        median_delay_minutes=_median(delays),
    )


def _median(values: Sequence[float]) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
