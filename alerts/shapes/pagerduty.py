"""PagerDuty, Events API v2: an incident of ours is one alert there, by its `dedup_key`.

https://developer.pagerduty.com/docs/events-api-v2-overview (512 KB an event)
"""

from typing import Any

import msgspec

from wire.messages import Alert, Severity

from .content import answers, facts_of, headlines, name_of, plain

URL = "https://events.pagerduty.com/v2/enqueue"
LONGEST_SUMMARY = 1024
LARGEST_BYTES = 512 * 1024
SEVERITIES: dict[Severity, str] = {"info": "info", "warning": "warning", "critical": "critical"}


def shape(alert: Alert, routing_key: str) -> bytes:
    """Write an alert as an event: what opened or got worse triggers, what ended resolves.

    It is far below the limit: ten headlines of 300 characters with links of 2000 are 30 KB.
    """
    incident = alert.incident
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": "resolve" if alert.event == "resolved" else "trigger",
        "dedup_key": incident.id,
        "client": "Newsquake",
        "links": [
            {"href": line.link, "text": line.text}
            for line in (*headlines(incident), *answers(alert)) if line.link
        ],
        "payload": _payload(alert),
    }
    return msgspec.json.encode(event)


def _payload(alert: Alert) -> dict[str, Any]:
    incident = alert.incident
    return {
        "summary": plain(alert.text, LONGEST_SUMMARY) or name_of(incident),
        "source": "newsquake",
        "severity": SEVERITIES[incident.severity],
        "timestamp": incident.resolved_at or incident.opened_at,
        "component": name_of(incident),
        "class": "negative news",
        "custom_details": {
            **dict(facts_of(incident)),
            "Evidence": [f"{line.text} ({line.note})" for line in headlines(incident)],
        },
    }
