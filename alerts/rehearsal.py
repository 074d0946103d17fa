"""A test of one receiver: a marked alert by the real way, now, past the outbox."""

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

from wire.messages import Alert, Evidence, Incident, encode

from .courier import Courier
from .mailbox import Letter
from .settings import Receiver
from .webhook import Attempt

TEXT = "TEST: this is no incident. Newsquake was asked to try this receiver; nothing is to be done."
# They keep an alert open until they hear of its end.
_KEEP_OPEN = ("pagerduty", "alertmanager")


async def rehearse(receiver: Receiver, deadline_s: float, clock: Callable[[], datetime]) -> Attempt:
    """Send a test alert, and its end to a receiver that would keep it open; return what it came to.

    Raises AlertsError where the receiver's secret, URL or CA bundle cannot be used.
    """
    name = uuid4().hex[:12]
    async with Courier(receiver, deadline_s, clock) as courier:
        attempt = await courier.send(letter(rehearsal_alert(name, clock(), ended=False)))
        if attempt.verdict == "delivered" and receiver.kind in _KEEP_OPEN:
            attempt = await courier.send(letter(rehearsal_alert(name, clock(), ended=True)))
    return attempt


def letter(alert: Alert) -> Letter:
    """Put an alert into an envelope of its own."""
    name = f"msg_{alert.incident.id}_{alert.event}"
    return Letter(name, alert.incident.id, alert.event, encode(alert), 1)


def rehearsal_alert(name: str, now: datetime, *, ended: bool) -> Alert:
    """Make an alert that nobody can take for an incident."""
    shown = Evidence(title="A headline would stand here", link="", source="test", observed_at=now, negative=0)
    incident = Incident(
        id=f"test_{name}", topic=None, watch="TEST", state="resolved" if ended else "open",
        severity="info", provisional=True, opened_at=now, resolved_at=now if ended else None,
        observed=0, expected=0.0, surprise_weeks=0.0, evidence=(shown,),
    )  # fmt: skip
    return Alert(event="resolved" if ended else "opened", incident=incident, text=TEXT)
