"""The SQLite file behind the embedded log: its tables, its connections and its errors.

Written through apsw, which bundles its own SQLite: 3.7.0 to 3.51.2, which Python's
`sqlite3` often has, can corrupt a WAL file when a checkpoint races a commit
(https://sqlite.org/wal.html#walresetbug).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import apsw

from .errors import LogError, LogUnavailableError

SCHEMA_VERSION = 1

# A record's id is its stream's id and its offset in one integer, so that reading and
# pruning a stream is one range of one B-tree. Offsets come from `next`, not from SQLite's
# row ids, which are given out again after the last rows are deleted.
OFFSET_BITS = 40
SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, incarnation TEXT NOT NULL,
    retain_s REAL NOT NULL, first INTEGER NOT NULL, next INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS settled (
    stream INTEGER NOT NULL, consumers TEXT NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (stream, consumers)
) STRICT, WITHOUT ROWID;
"""

_PASSING = (
    apsw.FullError, apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.CantOpenError,
    apsw.ReadOnlyError, apsw.PermissionsError, apsw.NoMemError, apsw.ProtocolError,
)


def row_id(stream_id: int, offset: int) -> int:
    """Return the id of the record at an offset of a stream."""
    return (stream_id << OFFSET_BITS) | offset


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into our errors: may pass by itself, or will not."""
    try:
        yield
    except apsw.FullError as error:
        raise LogUnavailableError(f"the disk (or the log's size limit) is full: {path}") from error
    except _PASSING as error:
        raise LogUnavailableError(f"{path}: {error}") from error
    except apsw.Error as error:
        raise LogError(f"{path}: {error}") from error


class Session:
    """One connection, and the lock that lets threads share it.

    Refuses to go on when the file was removed or replaced under it, because what it then
    wrote would be lost with the file.
    """

    def __init__(self, path: Path, busy_s: float, max_bytes: int | None = None) -> None:
        self._path = path
        self._busy_s = busy_s
        self._lock = threading.Lock()
        with explained(path):
            self._connection: apsw.Connection | None = _connect(path, busy_s, max_bytes)
        self._identity = _identity(path)

    def read(self) -> AbstractContextManager[apsw.Connection]:
        """Begin a read: one consistent view, which never waits for a writer."""
        return self._transaction("BEGIN")

    def write(self) -> AbstractContextManager[apsw.Connection]:
        """Begin a write, after waiting at most `busy_s` for the other writers."""
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[apsw.Connection]:
        if not self._lock.acquire(timeout=self._busy_s):
            raise LogUnavailableError(f"the log is busy: {self._path}")
        try:
            with explained(self._path):
                connection = self._checked()
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    _roll_back(connection)
                    raise
        finally:
            self._lock.release()

    def _checked(self) -> apsw.Connection:
        if self._connection is None:
            raise LogError("the log is closed")
        if _identity(self._path) != self._identity:
            raise LogError(f"the log's file was removed or replaced while in use: {self._path}")
        return self._connection

    def close(self) -> None:
        """Wait for the transaction in hand, then close."""
        with self._lock, explained(self._path):
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _connect(path: Path, busy_s: float, max_bytes: int | None) -> apsw.Connection:
    return _patiently(lambda: _open(path, busy_s, max_bytes), busy_s)


def _open(path: Path, busy_s: float, max_bytes: int | None) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(int(busy_s * 1000))
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}").fetchall()
        _prepare(connection, path)
        if max_bytes is not None:
            page_size = connection.pragma("page_size")
            connection.pragma("max_page_count", max(1, max_bytes // page_size))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: apsw.Connection, path: Path) -> None:
    """Create the tables if absent; refuses a file of a newer version."""
    if connection.pragma("user_version") == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _refuse_newer(connection, path)
        connection.execute(SCHEMA)
        connection.pragma("user_version", SCHEMA_VERSION)
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _refuse_newer(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("user_version") > SCHEMA_VERSION:
        raise LogError(f"{path} was written by a newer version of Newsquake")


def _patiently(attempt: Callable[[], apsw.Connection], for_s: float) -> apsw.Connection:
    """Try until it works or the time is up: switching to WAL does not wait for others."""
    deadline = time.monotonic() + for_s
    while True:
        try:
            return attempt()
        except (apsw.BusyError, apsw.LockedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _roll_back(connection: apsw.Connection) -> None:
    # A full disk can have rolled back already, and a second failure must not hide the first.
    with suppress(apsw.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
