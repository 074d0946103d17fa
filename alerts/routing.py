"""Who is told what: pure, with the reason."""

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from wire.messages import Alert, Incident, Severity

from .settings import DAYS, Hours, Receiver

Reason = Literal[
    "matches", "follows", "never_told", "other_subject", "too_mild", "other_event", "out_of_hours"
]
SENT: tuple[Reason, ...] = ("matches", "follows")
_SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


def route(alert: Alert, receiver: Receiver, now: datetime, *, told: bool) -> Reason:
    """Decide whether a receiver gets an alert, and say why; `told` if it knows of the incident.

    The end goes to whoever was told of the incident, whatever the hour, and to nobody else.
    What is not sent out of hours is not sent later.
    """
    incident = alert.incident
    if alert.event == "resolved":
        return "follows" if told else "never_told"
    if not about(incident, receiver):
        return "other_subject"
    if alert.event not in receiver.events:
        return "other_event"
    if _SEVERITIES.index(incident.severity) < _SEVERITIES.index(receiver.min_severity):
        return "too_mild"
    if receiver.hours is None or within(receiver.hours, now):
        return "matches"
    urgent = incident.severity == "critical" and receiver.hours.outside == "critical"
    return "matches" if urgent else "out_of_hours"


def about(incident: Incident, receiver: Receiver) -> bool:
    """Whether an incident, or a key that surged with it, is one of the receiver's subjects."""
    if not receiver.topics and not receiver.watches:
        return True
    keys = [(incident.topic, incident.watch)]
    keys += [(other.get("topic"), other.get("watch")) for other in incident.also]
    return any(topic in receiver.topics or watch in receiver.watches for topic, watch in keys)


def within(hours: Hours, now: datetime) -> bool:
    """Whether the wall clock of the receiver's zone stands within its hours; the end is outside."""
    local = now.astimezone(ZoneInfo(hours.zone))
    time, today = local.time(), DAYS[local.weekday()]
    if hours.start < hours.end:
        return today in hours.days and hours.start <= time < hours.end
    yesterday = DAYS[(local.date() - timedelta(days=1)).weekday()]
    evening = today in hours.days and time >= hours.start
    return evening or (yesterday in hours.days and time < hours.end)
