"""Counted articles as the judge and the reports read them from the store."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, select

from . import tables
from .keys import MICROSECONDS
from .stories import Row

CHUNK = 500  # ids in one statement: SQLite allows 32,766 parameters, old builds 999
_COLUMNS = [tables.articles.c[name] for name in Row.__struct_fields__]


def chunks(names: Iterable[str]) -> Iterator[list[str]]:
    """Cut names into lists that fit a statement."""
    ordered = sorted(names)
    for start in range(0, len(ordered), CHUNK):
        yield ordered[start : start + CHUNK]


class StoredRows:
    """Rows that may be judged: not late, not of a backfill."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def between(self, start: int, stop: int) -> Sequence[Row]:
        """Return the rows of some buckets."""
        time = tables.articles.c.observed_at
        return self._select((time >= start * MICROSECONDS) & (time < stop * MICROSECONDS))

    def earlier(self, stories: Iterable[str], since: int, before: int) -> Sequence[Row]:
        """Return the earlier rows of some stories."""
        table = tables.articles.c
        within = (table.observed_at >= since) & (table.observed_at < before)
        return [
            row for names in chunks(stories)
            for row in self._select(table.story_id.in_(names) & within)
        ]

    def _select(self, where: ColumnElement[bool]) -> list[Row]:
        table = tables.articles.c
        judged = where & table.late.is_(False) & table.backfill.is_(False)
        ordered = select(*_COLUMNS).where(judged).order_by(table.observed_at, table.id)
        return [Row(*row) for row in self._connection.execute(ordered)]
