"""One receiver's share of the outbox: what is due, and what became of it.

A message is claimed before it is sent (its attempts counted, its next attempt put off), so
that two processes never send the same attempt, and one that dies in between sends it again,
under the same id, when the claim has run out.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, select, update

from .keys import microseconds
from .retry import Decision
from .settings import Receiver
from .store import Store
from .tables import outbox

# Within one incident and one instant, what began comes before what ended.
EVENTS = {"opened": 0, "updated": 1, "resolved": 2}
# Of more than this that wait, the oldest are looked at; the others stand behind them.
LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message: this is attempt number `attempt`, the first is 1."""

    id: str
    incident_id: str
    event: str
    payload: bytes
    attempt: int


class Mailbox:
    """Reads and settles the outbox rows of one receiver. Raises StoreError."""

    def __init__(self, store: Store, receiver: Receiver) -> None:
        self._store = store
        self._receiver = receiver.name
        # The address is part of it, so that a receiver that moves is tried again.
        self._gone = f"gone {hashlib.sha256(receiver.url.encode()).hexdigest()[:12]}"
        self._mine = (outbox.c.receiver == receiver.name) & (outbox.c.state == "pending")

    def disabled(self) -> bool:
        """Whether the receiver has answered 410 at the address that it has now."""
        said = (outbox.c.receiver == self._receiver) & (outbox.c.last_outcome == self._gone)
        with self._store.read() as connection:
            return connection.execute(select(outbox.c.id).where(said).limit(1)).first() is not None

    def bury(self) -> int:
        """Give up everything that waits, because the receiver is gone; return how many."""
        with self._store.read() as connection:
            if connection.execute(select(outbox.c.id).where(self._mine).limit(1)).first() is None:
                return 0  # the usual case takes no write lock
        with self._store.write() as connection:
            dead = update(outbox).where(self._mine).values(state="dead", last_outcome=self._gone)
            return connection.execute(dead).rowcount

    def take(self, now: datetime, lease_s: float, limit: int) -> list[Letter]:
        """Claim what is due: of each incident only its oldest message that waits."""
        with self._store.read() as connection:
            waiting = connection.execute(self._waiting()).all()
        due = heads(waiting, microseconds(now))[:limit]
        if not due:
            return []
        until = microseconds(now + timedelta(seconds=lease_s))
        with self._store.write() as connection:
            claims = ((row, update(outbox).where(self._as_seen(row))) for row in due)
            got = [
                row
                for row, claim in claims
                if connection.execute(
                    claim.values(attempts=row.attempts + 1, next_attempt_at=until)
                ).rowcount
            ]
        payloads = self._payloads([row.id for row in got])
        return [
            Letter(row.id, row.incident_id, row.event, payloads[row.id], row.attempts + 1)
            for row in got
        ]

    def settle(self, letter: Letter, decision: Decision, outcome: str) -> None:
        """Write what became of a claimed message; a claim that ran out meanwhile wins."""
        values: dict[str, object] = {"state": decision.state, "last_outcome": outcome}
        if decision.next_at is not None:
            values["next_attempt_at"] = microseconds(decision.next_at)
        if decision.disable:
            values["last_outcome"] = self._gone
        with self._store.write() as connection:
            connection.execute(update(outbox).where(self._claimed(letter)).values(values))

    def release(self, letter: Letter, now: datetime) -> None:
        """Give a claim back: the attempt was broken off, and is due again."""
        back = {"attempts": letter.attempt - 1, "next_attempt_at": microseconds(now)}
        with self._store.write() as connection:
            connection.execute(update(outbox).where(self._claimed(letter)).values(back))

    def _waiting(self) -> Select[Any]:
        c = outbox.c
        columns = (c.id, c.incident_id, c.event, c.created_at, c.next_attempt_at, c.attempts)
        return select(*columns).where(self._mine).order_by(c.created_at).limit(LOOKED_AT)

    def _as_seen(self, row: Row[Any]) -> ColumnElement[bool]:
        c = outbox.c
        unmoved = (c.attempts == row.attempts) & (c.next_attempt_at == row.next_attempt_at)
        return and_(self._mine, c.id == row.id, unmoved)

    def _claimed(self, letter: Letter) -> ColumnElement[bool]:
        return and_(
            self._mine, outbox.c.id == letter.id, outbox.c.attempts == letter.attempt
        )

    def _payloads(self, ids: list[str]) -> dict[str, bytes]:
        wanted = select(outbox.c.id, outbox.c.payload).where(outbox.c.id.in_(ids))
        with self._store.read() as connection:
            return {row.id: row.payload for row in connection.execute(wanted)}


def heads(waiting: Iterable[Row[Any]], now_us: int) -> list[Row[Any]]:
    """Choose what may be sent now: per incident the first message, if it is due.

    A message that was never tried is due whatever its time: the judge may stamp it by a
    virtual clock, which the wall clock of delivery knows nothing of.
    """
    first: dict[str, Row[Any]] = {}
    for row in sorted(waiting, key=lambda row: (row.created_at, EVENTS.get(row.event, 1), row.id)):
        first.setdefault(row.incident_id, row)
    return [row for row in first.values() if not row.attempts or row.next_attempt_at <= now_us]
