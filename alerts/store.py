"""The store: counts, detector states, incidents and the outbox, in one database.

SQLite by default, PostgreSQL for several machines. SQLite runs with a rollback journal and
`synchronous=FULL`: no write-ahead log, so the WAL-reset bug of 3.7.0 to 3.51.2 cannot
happen, and any other process may read the file. Writers begin with BEGIN IMMEDIATE, so a
transaction never fails half way for want of the lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, exc, make_url, text
from sqlalchemy.dialects import postgresql, sqlite

from wire.closing import Closing

from .errors import StoreBusyError, StoreError

BUSY_TIMEOUT_MS = 30_000
# A judge that catches up may compute for minutes between two statements; a stopped process must not
# keep its rows for ever.
IDLE_TIMEOUT_MS = 600_000
MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x6E657773  # PostgreSQL advisory lock: one process migrates at a time


class Store(Closing):
    """Transactions on the database. Raises StoreError; StoreBusyError may be tried again."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(newsquake_write=True)
        self._reader = engine
        if engine.dialect.name == "postgresql":  # whose default shows each statement a newer state
            self._reader = engine.execution_options(isolation_level="REPEATABLE READ")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that commits at the end, or rolls back on any exception."""
        with _translated(self.engine), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the store, for reading."""
        with _translated(self.engine), self._reader.begin() as connection:
            yield connection

    def insert(self, table: Table) -> Any:  # sqlite.Insert | postgresql.Insert, the same API
        """Begin an insert that knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
        sqlite_here = self.engine.dialect.name == "sqlite"
        return sqlite.insert(table) if sqlite_here else postgresql.insert(table)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def open_store(url: str) -> Store:
    """Open the database at an SQLAlchemy URL and bring its tables up to date.

    Raises StoreError where the URL, the driver or the folder is wrong, and StoreBusyError
    where the database is locked or away.
    """
    try:
        engine = create_engine(url, hide_parameters=True)
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise StoreError(f"{_shown(url)}: not a database URL that works here: {error}") from error
    if engine.dialect.name not in ("sqlite", "postgresql"):
        raise StoreError(f"{engine.dialect.name}: the store is SQLite or PostgreSQL")
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    else:
        event.listen(engine, "connect", _set_deadlines)
    store = Store(engine)
    try:
        with store.write() as connection:
            _upgrade(connection)
    except BaseException:
        store.close()
        raise
    return store


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except exc.ArgumentError:
        return "the store's URL"  # it may hold a password: do not repeat it


def _prepare_sqlite(engine: Engine) -> None:
    folder = Path(engine.url.database or ".").parent
    if not folder.is_dir():
        engine.dispose()
        raise StoreError(f"{engine.url.database}: the folder {folder} does not exist")
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)


def _set_pragmas(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing; `_begin` does
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode=TRUNCATE")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-32000")  # KiB: the id index stays in memory


def _set_deadlines(connection: Any, _record: object) -> None:
    connection.execute(f"SET lock_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute(f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_MS}")
    connection.commit()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("newsquake_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    """Say in our words what the database says in its own."""
    place = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except exc.OperationalError as error:
        reason = str(error.orig)
        permanent = any(word in reason for word in ("no such", "readonly", "unable to open"))
        kind = StoreError if permanent else StoreBusyError
        raise kind(f"{place}: {reason}") from error
    except exc.DBAPIError as error:
        kind = StoreBusyError if error.connection_invalidated else StoreError
        raise kind(f"{place}: {error.orig}") from error
