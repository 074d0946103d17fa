"""What would have been alerted: stored rows in, incidents out, by the live judge's own code."""

from collections.abc import Container, Iterable

from wire.messages import Incident

from .desk import Desk
from .settings import AlertsSettings
from .stories import MemoryRows, Row

STRETCH_S = 86_400


def backtest(
    rows: Iterable[Row],
    start: int,
    stop: int,
    settings: AlertsSettings,
    blind: Container[int] = frozenset(),
) -> list[Incident]:
    """Judge the buckets `start <= bucket < stop` over rows; incidents by (opened_at, id).

    `blind` names the buckets that nobody watched. Late and backfill rows must not be given.
    """
    desk, memory = Desk(settings), MemoryRows(rows)
    found: dict[str, Incident] = {}
    for begin in range(start, stop, STRETCH_S):
        for change in desk.judge(begin, min(begin + STRETCH_S, stop), memory, blind):
            found[change.incident.id] = change.incident
    return sorted(found.values(), key=lambda incident: (incident.opened_at, incident.id))
