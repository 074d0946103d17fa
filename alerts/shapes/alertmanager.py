"""Prometheus Alertmanager, API v2: `POST /api/v2/alerts`.

Labels are an alert's identity there, so they are closed and never change while an incident
lives: what resolves it matches. What changes (severity, figures) is an annotation.
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from alerts.incidents import MENTION
from wire.messages import Alert, Incident

from .content import facts_of, headlines, name_of, plain

PATH = "/api/v2/alerts"
NAME = "NewsquakeIncident"
# An alert without an end is taken for resolved after the server's resolve_timeout (5 minutes),
# unless it is sent again and again. We send once, and say when it ends; this is the latest.
LONGEST = timedelta(days=7)
# A mention is over when it is told, and an alert that is over when it comes is told to nobody.
# Alertmanager repeats what still fires after four hours, so it fires no longer.
MENTION_LASTS = timedelta(hours=4)


def shape(alerts: Sequence[Alert]) -> bytes:
    """Write alerts as a list; several of one incident become its last."""
    last = {alert.incident.id: alert for alert in alerts}
    return msgspec.json.encode([_alert(alert) for alert in last.values()])


def _alert(alert: Alert) -> dict[str, Any]:
    incident = alert.incident
    return {
        "labels": labels(incident),
        "annotations": _annotations(alert),
        "startsAt": incident.opened_at,
        "endsAt": _end(incident),
    }


def labels(incident: Incident) -> dict[str, str]:
    """The identity: from the key and the incident's id alone; empty ones are left out."""
    found = {
        "alertname": NAME, "incident": incident.id,
        "topic": plain(incident.topic or ""), "watch": plain(incident.watch or ""),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value}


def _annotations(alert: Alert) -> dict[str, str]:
    figures = "; ".join(f"{name}: {value}" for name, value in facts_of(alert.incident))
    lines = [f"{line.text} ({line.note}) {line.link}".rstrip() for line in headlines(alert.incident)]
    return {
        "summary": plain(alert.text, 600) or name_of(alert.incident),
        "severity": alert.incident.severity,
        "event": alert.event,
        "description": "\n".join([figures, *lines]),
    }


def _end(incident: Incident) -> datetime:
    if incident.rule == MENTION:
        return incident.opened_at + MENTION_LASTS
    return incident.resolved_at or incident.opened_at + LONGEST
