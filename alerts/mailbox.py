"""One receiver's share of the outbox: what is due, and what became of it.

A message is claimed before it is sent (its attempts counted, its next attempt put off), so
that two processes never send the same attempt, and one that dies in between sends it again,
under the same id, when the claim has run out.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select, update

from wire.messages import Alert

from .keys import microseconds
from .payloads import write
from .retry import Decision
from .settings import Receiver
from .store import Store
from .tables import outbox
from .turns import (
    GROUPED,
    MOST_GROUPED,
    alert_of,
    fresh,
    group_id,
    grouped,
    heads,
    is_new,
    order,
    paced,
)

# Of more than this that wait, the oldest are looked at; the others stand behind them.
LOOKED_AT = 2000


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message: this is attempt number `attempt`, the first is 1.

    `new` if it was neither tried nor asked for again; `first` is the id of the message that its
    incident began with, for mail alone.
    """

    id: str
    incident_id: str
    event: str
    payload: bytes
    attempt: int
    first: str = ""
    new: bool = False


class Mailbox:
    """Reads and settles the outbox rows of one receiver. Raises StoreError."""

    def __init__(self, store: Store, receiver: Receiver) -> None:
        self._store = store
        self._receiver = receiver.name
        self._threads = receiver.kind == "email"
        # The address is part of it, so that a receiver that moves is tried again.
        self._gone = f"gone {hashlib.sha256(receiver.url.encode()).hexdigest()[:12]}"
        self._mine = (outbox.c.receiver == receiver.name) & (outbox.c.state == "pending")

    def disabled(self) -> bool:
        """Whether the receiver has answered 410 at the address that it has now."""
        with self._store.read() as connection:
            return self._said_gone(connection)

    def _said_gone(self, connection: Connection) -> bool:
        said = (outbox.c.receiver == self._receiver) & (outbox.c.last_outcome == self._gone)
        return connection.execute(select(outbox.c.id).where(said).limit(1)).first() is not None

    def bury(self) -> int:
        """Give up everything that waits, because the receiver is gone; return how many."""
        with self._store.read() as connection:
            if connection.execute(select(outbox.c.id).where(self._mine).limit(1)).first() is None:
                return 0  # the usual case takes no write lock
        with self._store.write() as connection:
            if not self._said_gone(connection):
                return 0  # a replay took it back meanwhile
            dead = update(outbox).where(self._mine).values(state="dead", last_outcome=self._gone)
            return connection.execute(dead).rowcount

    def gather(self, allowance: int) -> int:
        """Make one message of all that are new where they are more than may go now; say of how many.

        The members keep their rows, in the state `grouped`; the message that names them all takes
        their place, with retries and an id of its own. What was tried before goes on alone: it
        may have arrived.
        """
        if allowance < 1:
            return 0
        with self._store.read() as connection:
            waiting = connection.execute(self._waiting()).all()
            if len(new := fresh(waiting)) <= allowance:
                return 0
            rows = self._alerts(connection, [row.id for row in new])
        if len(rows) <= allowance:
            return 0
        with self._store.write() as connection:
            return self._group(connection, [row for row in new if row.id in rows][:MOST_GROUPED], rows)

    def _alerts(self, connection: Connection, ids: list[str]) -> dict[str, Alert]:
        wanted = select(outbox.c.id, outbox.c.payload).where(outbox.c.id.in_(ids[:MOST_GROUPED]))
        read = ((row.id, alert_of(row.payload)) for row in connection.execute(wanted))
        return {name: alert for name, alert in read if alert is not None}

    def _group(
        self, connection: Connection, rows: list[Row[Any]], alerts: dict[str, Alert]
    ) -> int:
        name = group_id(self._receiver, [row.id for row in rows])
        joined = update(outbox).values(state="grouped", last_outcome=name)
        got = [
            row for row in rows if connection.execute(joined.where(self._as_seen(row))).rowcount
        ]
        if not got:
            return 0
        first = min(row.created_at for row in got)
        connection.execute(self._store.insert(outbox).on_conflict_do_nothing(), [{
            "id": name, "incident_id": name, "event": GROUPED, "receiver": self._receiver,
            "payload": write(grouped([alerts[row.id] for row in got])), "created_at": first,
            "next_attempt_at": first, "attempts": 0, "state": "pending", "last_outcome": "",
        }])
        return len(got)

    def take(
        self, now: datetime, lease_s: float, limit: int, allowance: int | None = None
    ) -> list[Letter]:
        """Claim what is due: of each incident only its oldest message that waits.

        At most `allowance` of them are new (never tried, nor replayed); None: any number.
        """
        with self._store.read() as connection:
            waiting = connection.execute(self._waiting()).all()
            held = self._held(connection, waiting)
        ready = (row for row in waiting if row.incident_id not in held)
        due = paced(heads(ready, microseconds(now)), allowance)[:limit]
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
        first = self._first([row.incident_id for row in got]) if self._threads else {}
        return [
            Letter(
                row.id, row.incident_id, row.event, payloads[row.id], row.attempts + 1,
                first.get(row.incident_id, ""), is_new(row),
            )
            for row in got
        ]  # fmt: skip

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
        columns = (
            c.id, c.incident_id, c.event, c.created_at, c.next_attempt_at, c.attempts, c.last_outcome
        )  # fmt: skip
        return select(*columns).where(self._mine).order_by(c.created_at).limit(LOOKED_AT)

    def _held(self, connection: Connection, waiting: Sequence[Row[Any]]) -> set[str]:
        """List the incidents of which a message waits inside a group: what follows waits for it."""
        groups = [row.id for row in waiting if row.event == GROUPED]
        if not groups:
            return set()
        members = (outbox.c.receiver == self._receiver) & (outbox.c.state == "grouped")
        inside = select(outbox.c.incident_id).where(members & outbox.c.last_outcome.in_(groups))
        return set(connection.execute(inside).scalars())

    def _first(self, incidents: list[str]) -> dict[str, str]:
        """Name the message that each incident began with here: where it was in a group, the group's."""
        c = outbox.c
        mine = (c.receiver == self._receiver) & c.incident_id.in_(incidents)
        columns = (c.id, c.incident_id, c.event, c.created_at, c.state, c.last_outcome)
        query: Select[Any] = select(*columns).where(mine)
        with self._store.read() as connection:
            rows = connection.execute(query).all()
        first: dict[str, str] = {}
        for row in sorted(rows, key=order):
            first.setdefault(row.incident_id, row.last_outcome if row.state == "grouped" else row.id)
        return first

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


def told(connection: Connection, incidents: Collection[str]) -> set[tuple[str, str]]:
    """List which receivers were ever written to about which of these incidents."""
    if not incidents:
        return set()
    c = outbox.c
    wanted = select(c.incident_id, c.receiver).where(c.incident_id.in_(incidents))
    return {(row.incident_id, row.receiver) for row in connection.execute(wanted)}
