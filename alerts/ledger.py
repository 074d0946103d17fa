"""The outbox as an operator sees it: what became of each message, and asking for it again."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, select, update

from .keys import moment
from .store import Store
from .tables import outbox

STATES = ("pending", "delivered", "dead", "grouped")
REPLAYED = "replayed"
_GONE = "gone "  # how the mark of a receiver that answered 410 begins


class Delivery(msgspec.Struct, frozen=True):
    """One message to one receiver. `next_at` is when it is tried next; None where it is not."""

    id: str
    state: str
    receiver: str
    event: str
    incident: str
    attempts: int
    outcome: str
    created_at: datetime
    next_at: datetime | None

    def line(self) -> str:
        """The delivery as a line to print, its parts separated by tabs."""
        next_at = self.next_at.strftime("next=%Y-%m-%dT%H:%M:%SZ") if self.next_at else "next=-"
        parts = (self.id, self.state, self.receiver, self.event, self.incident)
        outcome = self.outcome or ("not tried yet" if self.state == "pending" else "-")
        return "\t".join((*parts, f"attempts={self.attempts}", outcome, next_at))


def deliveries(
    store: Store, *, state: str | None = None, receiver: str | None = None, limit: int | None = None
) -> list[Delivery]:
    """List messages, the latest first; only those in a state or for a receiver where one is given."""
    query: Select[Any] = select(outbox).order_by(outbox.c.created_at.desc(), outbox.c.id)
    if state is not None:
        query = query.where(outbox.c.state == state)
    if receiver is not None:
        query = query.where(outbox.c.receiver == receiver)
    with store.read() as connection:
        rows = connection.execute(query.limit(limit)).all()
    return [
        Delivery(
            row.id, row.state, row.receiver, row.event, row.incident_id, row.attempts,
            _shown(row.last_outcome), moment(row.created_at),
            moment(row.next_attempt_at) if row.state == "pending" and row.attempts else None,
        )
        for row in rows
    ]  # fmt: skip


def _shown(outcome: str) -> str:
    return "gone 410" if outcome.startswith(_GONE) else outcome


def state_of(store: Store, message: str) -> tuple[str, str] | None:
    """Say in which state a message is, and what came of it last; None where there is none."""
    query: Select[Any] = select(outbox.c.state, outbox.c.last_outcome).where(outbox.c.id == message)
    with store.read() as connection:
        row = connection.execute(query).first()
    return (row.state, _shown(row.last_outcome)) if row else None


def replay(store: Store, messages: Collection[str] | None = None) -> int:
    """Make messages due again under their ids, with the whole schedule; None: all that are dead.

    Returns how many. Only what is delivered or dead is asked for again: what waits is sent
    anyway, and what went in a group goes with it. A receiver that had answered 410 is tried again.
    """
    asked = outbox.c.state == "dead"
    if messages is not None:
        asked = outbox.c.state.in_(("dead", "delivered")) & outbox.c.id.in_(messages)
    with store.write() as connection:
        receivers = list(connection.execute(select(outbox.c.receiver).where(asked).distinct()).scalars())
        due = {"state": "pending", "attempts": 0, "next_attempt_at": 0, "last_outcome": REPLAYED}
        found = connection.execute(update(outbox).where(asked).values(due)).rowcount
        marked = outbox.c.receiver.in_(receivers) & outbox.c.last_outcome.startswith(_GONE)
        connection.execute(update(outbox).where(marked).values(last_outcome="was gone"))
    return found
