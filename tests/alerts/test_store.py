"""The store opens, migrates, and says clearly what is wrong."""

import sqlite3

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from alerts.errors import StoreBusyError, StoreError
from alerts.store import MIGRATIONS, Store, open_store
from alerts.tables import metadata

DEADLINES = ("lock_timeout", "idle_in_transaction_session_timeout")


def test_migrations_make_exactly_the_tables(store):
    """After the upgrade to head nothing differs from `alerts.tables`."""
    with store.read() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)


def test_ids_of_the_first_version_learn_when_they_were_seen(url):
    """From their articles; of an id without one nobody knows."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO article_ids VALUES ('a'), ('b')"))
        connection.execute(text(
            "INSERT INTO articles VALUES ('a', 's', 1700, 0, 't', 'negative', 1, 't', 'u', 's', 'm', "
            "false, false)"
        ))
    engine.dispose()
    with open_store(url) as store, store.read() as connection:
        found = connection.execute(text("SELECT id, observed_at FROM article_ids ORDER BY id")).all()
        assert [] == compare_metadata(MigrationContext.configure(connection), metadata)
    assert [("a", 1700), ("b", 0)] == list(map(tuple, found))


def test_a_store_opens_again(url, store):
    """Opening a store that exists changes nothing."""
    with store.write() as connection:
        connection.execute(text("INSERT INTO article_ids (id) VALUES ('a')"))
    with open_store(url) as again, again.read() as connection:
        assert ["a"] == connection.execute(text("SELECT id FROM article_ids")).scalars().all()


def test_sqlite_runs_without_a_write_ahead_log(sqlite_store):
    """A rollback journal and full synchronisation, so no WAL-reset race."""
    with sqlite_store.read() as connection:
        assert "truncate" == connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        assert 2 == connection.exec_driver_sql("PRAGMA synchronous").scalar()


def test_another_process_may_read(sqlite_store, tmp_path):
    """A plain connection reads the file while the store is open."""
    foreign = sqlite3.connect(tmp_path / "store.db")
    assert [(0,)] == foreign.execute("SELECT count(*) FROM articles").fetchall()
    foreign.close()


def test_a_failed_transaction_leaves_nothing(store):
    """An exception rolls back what was written."""
    insert = text("INSERT INTO article_ids (id) VALUES ('a')")
    with pytest.raises(StoreError, match=r"(?i)unique"), store.write() as connection:
        [connection.execute(insert) for _ in range(2)]
    with store.read() as connection:
        assert [] == connection.execute(text("SELECT id FROM article_ids")).all()


@pytest.mark.parametrize(("url", "message"), [
    ("sqlite:////no/such/folder/store.db", "folder /no/such/folder does not exist"),
    ("what?", "not a database URL"),
    ("oracle://desk:hunter2@db/x", r"(not a database URL|SQLite or PostgreSQL)"),
    ("sqlite:////tmp", "unable to open"),
])
def test_a_wrong_url_is_refused_with_the_reason(url, message):
    """The error names the place and the reason, and never a password."""
    with pytest.raises(StoreError, match=message) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def test_a_locked_store_is_busy_not_broken(tmp_path, sqlite_store):
    """A lock that outlasts the patience raises StoreBusyError, which may be tried again."""
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    engine = create_engine(f"sqlite:///{tmp_path}/store.db", connect_args={"timeout": 0})
    impatient = Store(engine)

    with pytest.raises(StoreBusyError, match="locked"), impatient.write() as connection:
        connection.execute(text("INSERT INTO article_ids (id) VALUES ('a')"))
    holder.execute("ROLLBACK")
    holder.close()
    impatient.close()


def test_a_stopped_process_does_not_keep_its_rows_for_ever(new_database):
    """PostgreSQL ends a transaction that nobody goes on with: others pass, and it is told to try again."""
    with open_store(new_database()) as store:
        with store.read() as connection:
            shown = [connection.execute(text(f"SHOW {name}")).scalar() for name in DEADLINES]
        assert ["30s", "10min"] == shown
        with store.write() as connection:
            connection.execute(text("INSERT INTO article_ids VALUES ('a', 0)"))
        with pytest.raises(StoreBusyError):
            _stop_while(store)
        with store.read() as connection:
            assert 2 == connection.execute(text("SELECT observed_at FROM article_ids")).scalar()


def _stop_while(store):
    """Write a row and go on only after another transaction got it."""
    with store.write() as stopped:
        stopped.execute(text(f"SET LOCAL {DEADLINES[1]} = 300"))
        stopped.execute(text("UPDATE article_ids SET observed_at = 1"))
        with store.write() as other:
            other.execute(text("UPDATE article_ids SET observed_at = 2"))
        stopped.execute(text("UPDATE article_ids SET observed_at = 3"))
