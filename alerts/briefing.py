"""The brief, read from the store and put into the outbox, once per local day and receiver.

Nothing is remembered but the rows themselves: their ids name the day, so a restart, a second
process or a clock that shows an hour twice writes none again.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, or_, select

from wire.messages import Heartbeat, Incident

from . import brief, tables
from .errors import AlertsError
from .keys import BUCKET_S, MICROSECONDS, microseconds
from .payloads import Mover, Sources, write
from .settings import Brief as BriefSettings
from .settings import Kind, Receiver
from .store import Store

EVENT = "brief"
KINDS: tuple[Kind, ...] = ("webhook", "email", "slack", "teams")
DAY_S = 86_400

Heard = Callable[[], Heartbeat | None]
_incident = msgspec.json.Decoder(Incident)


class BadBriefError(AlertsError):
    """the brief's receivers are not receivers that can be sent one"""


def nothing_heard() -> Heartbeat | None:
    """Know nothing of the sources."""
    return None


class Briefing:
    """Writes the brief when it is due. Raises BadBriefError when it is made, for a wrong receiver."""

    def __init__(
        self,
        store: Store,
        settings: BriefSettings,
        receivers: Sequence[Receiver],
        clock: Callable[[], datetime],
        heard: Heard = nothing_heard,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._heard = heard
        self._written: date | None = None
        kinds = {receiver.name: receiver.kind for receiver in receivers}
        if wrong := [name for name in settings.receivers if kinds.get(name) not in KINDS]:
            able = ", ".join(KINDS)
            raise BadBriefError(f"brief: {', '.join(wrong)}: no receiver of kind {able}")

    def waiting(self) -> date | None:
        """Name the day whose brief is due, as far as this process knows; reads no store."""
        day = brief.due(self._clock(), self._settings) if self._settings.receivers else None
        return None if day == self._written else day

    def step(self) -> bool:
        """Write the brief if it is due and not yet written; say whether this call wrote it."""
        day = self.waiting()
        if day is None:
            return False
        wrote = self._write(day)
        self._written = day
        return wrote

    def _write(self, day: date) -> bool:
        ids = {brief.message_id(day, name): name for name in self._settings.receivers}
        table = tables.outbox
        with self._store.read() as connection:
            known = set(connection.execute(select(table.c.id).where(table.c.id.in_(ids))).scalars())
        if known == set(ids):
            return False
        payload = self._compose(day)
        now = microseconds(self._clock())
        rows = [
            {"id": name, "incident_id": f"brief_{day.isoformat()}", "event": EVENT,
             "receiver": receiver, "payload": payload, "created_at": now, "next_attempt_at": now,
             "attempts": 0, "state": "pending", "last_outcome": ""}
            for name, receiver in ids.items()
        ]  # fmt: skip
        insert = self._store.insert(table).on_conflict_do_nothing().returning(table.c.id)
        with self._store.write() as connection:
            return bool(connection.execute(insert, rows).scalars().all())

    def _compose(self, day: date) -> bytes:
        since, until = brief.span(day, self._settings)
        beat = self._heard()
        with self._store.read() as connection:
            happened = _incidents(connection, since, until)
            moved = _movers(connection, since, until)
            sources = _sources(connection, since, until, beat)
            model = _model(connection)
        return write(brief.compose(day, self._settings, happened, moved, sources, model))


def _incidents(connection: Connection, since: datetime, until: datetime) -> list[Incident]:
    """Read what opened or was open in the time, in order of opening."""
    c = tables.incidents.c
    still = or_(c.state == "open", c.resolved_at >= microseconds(since))
    query = select(c.body).where((c.opened_at < microseconds(until)) & still)
    bodies = connection.execute(query.order_by(c.opened_at, c.id)).scalars()
    return [_incident.decode(body) for body in bodies]


def _movers(connection: Connection, since: datetime, until: datetime) -> tuple[Mover, ...]:
    start, stop = int(since.timestamp()), int(until.timestamp())
    first = connection.execute(select(func.min(tables.health.c.bucket))).scalar()
    begin = max(start - 7 * DAY_S, start if first is None else int(first))
    days = max(0, start - begin) / DAY_S
    return brief.movers(_watches(connection, start, stop), _watches(connection, begin, start), days)


def _watches(connection: Connection, start: int, stop: int) -> dict[str, dict[str, int]]:
    c = tables.sums.c
    here = (c.bucket >= start) & (c.bucket < stop) & (c.arrival == "live")
    mine = here & (c.watch != "") & (c.topic == "")
    query = select(c.watch, c.sentiment, func.sum(c.articles)).where(mine).group_by(c.watch, c.sentiment)
    found: dict[str, dict[str, int]] = {}
    for watch, sentiment, articles in connection.execute(query):
        found.setdefault(watch, {})[sentiment] = int(articles)
    return found


def _sources(
    connection: Connection, since: datetime, until: datetime, beat: Heartbeat | None
) -> Sources:
    c = tables.health.c
    start, stop = int(since.timestamp()), int(until.timestamp())
    rows: Sequence[Any] = connection.execute(
        select(c.bucket, c.sources, c.failing).where((c.bucket >= start) & (c.bucket < stop))
    ).all()
    through = connection.execute(select(func.min(tables.watermarks.c.through))).scalar() or 0
    counted = range(-(-start // BUCKET_S) * BUCKET_S, min(stop, through // MICROSECONDS), BUCKET_S)
    seen = {row.bucket for row in rows}
    blind = sum(bucket not in seen for bucket in counted)
    return Sources(
        sources=beat.sources if beat else 0,
        failing=tuple(sorted(beat.failing)) if beat else (),
        worst_share=max((min(row.failing / row.sources, 1.0) for row in rows if row.sources), default=0.0),
        unwatched_minutes=blind * BUCKET_S // 60,
    )


def _model(connection: Connection) -> str:
    c = tables.articles.c
    return connection.execute(select(c.model).order_by(c.observed_at.desc()).limit(1)).scalar() or ""
