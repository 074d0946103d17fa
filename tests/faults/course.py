"""The news that the kills fall into: an incident that goes on after it was over, and one beside it."""

from datetime import timedelta

from tests.alerts.builders import Wire, history

DAYS = 4
# A surge, an hour of calm in which it resolves, one within the cooldown, and calm again.
COURSE = [3] * 8 + [0] * 12 + [5] * 6 + [0] * 16


def quiet() -> Wire:
    """Four quiet days."""
    return history(DAYS)


def course() -> Wire:
    """The quiet days, and what follows them."""
    wire = quiet()
    begin = wire.now
    for bucket, many in enumerate(COURSE, 1):
        for _ in range(many):
            name = f"y{len(wire.records)}"
            wire.later(1 / 60).article(name, source=f"outlet{len(wire.records) % 7}")
        wire.now = begin + timedelta(minutes=5 * bucket)
        wire.beat()
    return wire
