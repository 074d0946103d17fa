"""The judge: one per installation, and one transaction per stretch of closed buckets.

Detector states, incidents, alerts in the outbox and `judged_through` are committed
together. Two judges cannot both commit: the lease's generation and `judged_through` are
compared and set. A newcomer takes the lease at once; who lost it stands by until it expires.
`wall` decides only that; `clock`, which may be virtual, stamps the letters.
"""

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy import Row as Fetched

from wire.messages import Incident, encode

from . import state, tables
from .desk import Desk, KeyState
from .errors import StaleError
from .feedback import links
from .hours import hour_of
from .incidents import Change, alert, stored
from .keys import BUCKET_S, MICROSECONDS, Key, microseconds, moment
from .mailbox import told
from .operations import closed
from .routing import SENT, route
from .rows import StoredRows
from .rules import muted
from .settings import AlertsSettings, Feedback, Receiver
from .sources import Shared
from .store import Store

_shared = msgspec.msgpack.Decoder(Shared)
_key_state = msgspec.msgpack.Decoder(KeyState)
_incident = msgspec.json.Decoder(Incident)


class Judge:
    """Judges what closed. Raises StaleError where another judge took over."""

    def __init__(
        self,
        store: Store,
        stream: str,
        settings: AlertsSettings,
        clock: Callable[[], datetime],
        receivers: Sequence[Receiver] = (),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._stream = stream
        self._settings = settings
        self._receivers = tuple(receivers)
        self._clock = clock
        self._wall = wall
        self._generation = 0

    def take_lease(self, *, at_once: bool) -> bool:
        """Become the judge; unless `at_once`, only when nobody holds a live lease."""
        table = tables.judge
        with self._store.write() as connection:
            empty = {"id": 1, "generation": 0, "expires_at": 0, "judged_through": 0, "state": b""}
            connection.execute(self._store.insert(table).on_conflict_do_nothing(), [empty])
            row = connection.execute(select(table)).one()
            if not at_once and row.expires_at > self._wall() * MICROSECONDS:
                return False
            self._generation = row.generation + 1
            connection.execute(update(table).where(table.c.generation == row.generation).values(
                generation=self._generation, expires_at=self._expiry(),
            ))
        return True

    def renew(self) -> None:
        """Keep the lease where nothing closes; raises StaleError."""
        with self._store.write() as connection:
            self._advance(connection, {"expires_at": self._expiry()})

    def step(self) -> tuple[int, list[Change]]:
        """Judge the next stretch in one transaction: how many buckets, and what changed."""
        with self._store.read() as connection:
            start, stop = self._closed(connection)
        if start >= stop:
            return 0, []
        with self._store.write() as connection:
            row = self._held(connection)
            start, stop = self._closed(connection)
            stop = min(stop, start + self._settings.buckets_per_transaction * BUCKET_S)
            if start >= stop:
                return 0, []
            desk = self._load(connection, row)
            rows = StoredRows(connection)
            changes = desk.judge(start, stop, rows, blind(connection, start, stop))
            self._save(connection, desk, changes, stop)
            self._advance(
                connection,
                {"judged_through": stop * MICROSECONDS, "expires_at": self._expiry(),
                 "state": msgspec.msgpack.encode(desk.shared)},
                before=row.judged_through,
            )
        return (stop - start) // BUCKET_S, changes

    def _closed(self, connection: Connection) -> tuple[int, int]:
        """Return the first bucket to judge, and the first that is not closed."""
        marks = tables.watermarks
        least = select(func.min(marks.c.through)).where(marks.c.stream == self._stream)
        through = connection.execute(least).scalar() or 0
        lateness = self._settings.allowed_lateness_s
        stop = (through // MICROSECONDS - lateness) // BUCKET_S * BUCKET_S
        judged = connection.execute(select(tables.judge.c.judged_through)).scalar() or 0
        if judged:
            return judged // MICROSECONDS, stop
        first = connection.execute(select(func.min(tables.health.c.bucket))).scalar()
        return (stop, stop) if first is None else (first, stop)

    def _held(self, connection: Connection) -> Fetched[Any]:
        row = connection.execute(select(tables.judge)).first()
        if row is None or row.generation != self._generation:
            raise StaleError("another judge has taken the lease")
        return row

    def _advance(
        self, connection: Connection, values: dict[str, Any], before: int | None = None
    ) -> None:
        table = tables.judge
        mine = table.c.generation == self._generation
        where = mine if before is None else mine & (table.c.judged_through == before)
        if connection.execute(update(table).where(where).values(values)).rowcount != 1:
            raise StaleError("another judge has taken the lease")

    def _load(self, connection: Connection, row: Fetched[Any]) -> Desk:
        found = connection.execute(select(tables.detectors))
        states = {Key(one.topic, one.watch): _key_state.decode(one.state) for one in found}
        shared = _shared.decode(row.state) if row.state else Shared()
        bodies = select(tables.incidents.c.body).where(tables.incidents.c.state == "open")
        open_ones = [_incident.decode(body) for body in connection.execute(bodies).scalars()]
        return Desk(self._settings, states, shared, {one.id: one for one in open_ones})

    def _save(
        self, connection: Connection, desk: Desk, changes: Sequence[Change], through: int
    ) -> None:
        insert = self._store.insert(tables.detectors)
        fresh = ("state", "observed", "expected", "upper", "surprise_weeks")
        # No key ever goes. Not deleted and inserted: on PostgreSQL who lost the lease meanwhile
        # would run into the rows of its successor before it is told.
        connection.execute(insert.on_conflict_do_update(
            index_elements=["topic", "watch"], set_={name: insert.excluded[name] for name in fresh},
        ), [detector_row(key, kept, through) for key, kept in sorted(desk.states.items())])
        last = {change.incident.id: change.incident for change in changes}
        if last:
            insert = self._store.insert(tables.incidents)
            columns = ("state", "severity", "resolved_at", "body")
            connection.execute(insert.on_conflict_do_update(
                index_elements=["id"], set_={name: insert.excluded[name] for name in columns},
            ), [stored(incident) for incident in last.values()])
        silent = closed(connection, [one.incident.id for one in changes if one.event == "updated"])
        letters: list[dict[str, Any]] = []
        known = told(connection, [one.incident.id for one in changes if one.event == "resolved"])
        for change in changes:
            if self._tells(change, silent):
                letters += outbox_rows(
                    change, self._receivers, self._clock(), self._settings.feedback, known
                )
                known |= {(letter["incident_id"], letter["receiver"]) for letter in letters}
        if letters:
            connection.execute(self._store.insert(tables.outbox).on_conflict_do_nothing(), letters)

    def _tells(self, change: Change, silent: Collection[str]) -> bool:
        """Whether anybody is to hear of a change; whoever heard of its beginning hears of its end."""
        if change.event is None or change.event == "resolved":
            return change.event is not None
        if change.event == "updated" and change.incident.id in silent:
            return False
        return not muted(change.incident, self._settings.mutes, moment(change.at))

    def _expiry(self) -> int:
        return int((self._wall() + self._settings.lease_s) * MICROSECONDS)


def blind(connection: Connection, start: int, stop: int) -> set[int]:
    """List the buckets that nobody watched, or where most sources were failing."""
    table = tables.health
    within = (table.c.bucket >= start) & (table.c.bucket < stop)
    watched = {
        row.bucket for row in connection.execute(select(table).where(within))
        if 2 * row.failing <= row.sources
    }
    return set(range(start, stop, BUCKET_S)) - watched


def outbox_rows(
    change: Change, receivers: Sequence[Receiver], now: datetime, feedback: Feedback,
    known: Collection[tuple[str, str]] = (),
) -> list[dict[str, Any]]:
    """Write one letter per receiver that is to have it; the same alert always has the same id and payload.

    `known` holds (incident, receiver) where that receiver was told of that incident before.
    """
    said, stamp = alert(change, links(change.incident, feedback)), microseconds(now)
    payload = encode(said)
    return [
        {"id": message_id(change, receiver.name), "incident_id": change.incident.id,
         "event": change.event, "receiver": receiver.name, "payload": payload,
         "created_at": stamp, "next_attempt_at": stamp, "attempts": 0,
         "state": "pending", "last_outcome": ""}
        for receiver in receivers
        if route(said, receiver, now, told=(change.incident.id, receiver.name) in known) in SENT
    ]


def message_id(change: Change, receiver: str) -> str:
    """Name a letter by what it says and to whom."""
    parts = (change.incident.id, str(change.event), change.incident.severity, receiver)
    return "msg_" + sha256("\0".join(parts).encode()).hexdigest()[:32]


def detector_row(key: Key, kept: KeyState, through: int) -> dict[str, Any]:
    """Write a key's state, with what it shows of the hour that ends with `through` (seconds)."""
    row = state.read(kept.row)
    shown = (state.fresh(1) if row is None else row)[0]  # a watch that is judged no more has none
    hour = hour_of(shown, through)
    return {
        "topic": key.topic, "watch": key.watch, "state": msgspec.msgpack.encode(kept),
        "observed": hour.observed, "expected": hour.expected, "upper": hour.upper,
        "surprise_weeks": float(shown["weeks"]),
    }
