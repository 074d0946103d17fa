"""Mentions are told in the counter's transaction: the table of told ones, incidents and letters.

Two counters may count two copies of a story at once, on partitions of their own (articles are
placed by their id, not by their story). Whoever writes the mention's row first writes the letter; the
other waits for it, and tells nobody. If its article was the earlier one, it corrects the incident in
the store, not the letter: so the incident is that of the least (observed_at, id) in whatever order
copies are counted, and a backtest finds the same. Where there is one partition, or all copies
stand in one, articles are counted in that order and the letter says the same too.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, or_, update

from . import tables
from .counting import arrival_of
from .incidents import Change, stored
from .judging import outbox_rows
from .keys import moment
from .mentions import Telling, tellings
from .rules import muted
from .settings import AlertsSettings, Receiver
from .store import Store
from .stories import Row
from .watches import Matcher


class Mentioning:
    """Tells of what was counted; `clock` stamps the letters, and decides nothing else."""

    def __init__(
        self,
        store: Store,
        settings: AlertsSettings,
        matcher: Matcher,
        receivers: Sequence[Receiver],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._settings = settings
        self._matcher = matcher
        self._receivers = tuple(receivers)
        self._clock = clock

    def note(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Change]:
        """Write what rows that were just counted tell; return the mentions that nobody had told."""
        if not self._settings.mentions:
            return []
        live = [_row(row) for row in rows if arrival_of(row) == "live"]
        found = tellings(live, self._settings.mentions, self._matcher)
        found.sort(key=lambda one: one.incident.id)  # the order of locks, so that counters never deadlock
        if not found:
            return []
        new = self._claim(connection, found)
        told: list[Change] = []
        for one in found:
            if one.incident.id in new:
                told.append(Change(one.incident, one.row.observed_at, "opened"))
            else:
                _correct(connection, one)
        self._write(connection, told)
        return told

    def _claim(self, connection: Connection, found: Sequence[Telling]) -> set[str]:
        """Take the mentions that nobody has told; waits for another counter that takes one too."""
        table = tables.mentions
        insert = self._store.insert(table).on_conflict_do_nothing().returning(table.c.incident_id)
        return set(connection.execute(insert, [
            {"incident_id": one.incident.id, "observed_at": one.row.observed_at, "article_id": one.row.id}
            for one in found
        ]).scalars())

    def _write(self, connection: Connection, told: Sequence[Change]) -> None:
        if not told:
            return
        incidents = self._store.insert(tables.incidents).on_conflict_do_nothing()
        connection.execute(incidents, [stored(change.incident) for change in told])
        now = self._clock()
        letters = [
            letter for change in told
            if not muted(change.incident, self._settings.mutes, moment(change.at))
            for letter in outbox_rows(change, self._receivers, now, self._settings.feedback)
        ]
        if letters:
            connection.execute(self._store.insert(tables.outbox).on_conflict_do_nothing(), letters)


def _correct(connection: Connection, one: Telling) -> None:
    """Let the earlier of two copies be the one in the store; its letter has gone, and stays."""
    table = tables.mentions
    observed_at, name = one.place
    later = or_(
        table.c.observed_at > observed_at,
        and_(table.c.observed_at == observed_at, table.c.article_id > name),
    )
    mine = (table.c.incident_id == one.incident.id) & later
    earlier = update(table).where(mine).values(observed_at=observed_at, article_id=name)
    if connection.execute(earlier).rowcount:
        incident = update(tables.incidents).where(tables.incidents.c.id == one.incident.id)
        connection.execute(incident.values(stored(one.incident)))


def _row(counted: Mapping[str, Any]) -> Row:
    return Row(**{name: counted[name] for name in Row.__struct_fields__})
