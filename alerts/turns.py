"""Whose turn it is: pure choosers over the outbox rows of one receiver, and groups of them."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row

from wire.messages import Alert, Severity

from .payloads import BadPayloadError, Group, read

# Within one incident and one instant, what began comes before what ended.
EVENTS = {"opened": 0, "updated": 1, "resolved": 2}
GROUPED = "grouped"  # the event of a message that stands for many
MOST_GROUPED = 50  # alerts in one; chat services show no more
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


def order(row: Row[Any]) -> tuple[int, int, str]:
    """In which order messages were written; what began before what ended."""
    return row.created_at, EVENTS.get(row.event, 1), row.id


def heads(waiting: Iterable[Row[Any]], now_us: int) -> list[Row[Any]]:
    """Choose what may be sent now: per incident the first message, if it is due.

    A message that was never tried is due whatever its time: the judge may stamp it by a
    virtual clock, which the wall clock of delivery knows nothing of.
    """
    first: dict[str, Row[Any]] = {}
    for row in sorted(waiting, key=order):
        first.setdefault(row.incident_id, row)
    return [row for row in first.values() if not row.attempts or row.next_attempt_at <= now_us]


def fresh(waiting: Iterable[Row[Any]]) -> list[Row[Any]]:
    """List what may go into a group, in order: new, and behind nothing of its incident that is not."""
    stuck: set[str] = set()
    found: list[Row[Any]] = []
    for row in sorted(waiting, key=order):
        if not is_new(row) or row.event == GROUPED or row.incident_id in stuck:
            stuck.add(row.incident_id)
        else:
            found.append(row)
    return found


def paced(due: Iterable[Row[Any]], allowance: int | None) -> list[Row[Any]]:
    """Let `allowance` new messages through, and every one that is not new."""
    left = allowance
    kept: list[Row[Any]] = []
    for row in due:
        if left is None or not is_new(row):
            kept.append(row)
        elif left > 0:
            left -= 1
            kept.append(row)
    return kept


def is_new(row: Row[Any]) -> bool:
    """Whether a message was neither tried nor asked for again."""
    return not row.attempts and not row.last_outcome


def group_id(receiver: str, ids: Sequence[str]) -> str:
    """Name a group by whom it is for and what is in it."""
    return "msg_" + hashlib.sha256("\0".join((GROUPED, receiver, *ids)).encode()).hexdigest()[:32]


def alert_of(payload: bytes) -> Alert | None:
    """Read an alert; None for anything else."""
    try:
        found = read(payload)
    except BadPayloadError:
        return None
    return found if isinstance(found, Alert) else None


def grouped(alerts: Sequence[Alert]) -> Group:
    """Make one of many: its text says how many, and what the worst of them says."""
    worst = max(alerts, key=lambda alert: SEVERITIES.index(alert.incident.severity))
    return Group(text=f"{len(alerts)} alerts at once, such as: {worst.text}", alerts=tuple(alerts))
