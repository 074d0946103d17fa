"""One real PostgreSQL for a whole test run, and a fresh database in it for who asks.

NEWSQUAKE_POSTGRES=URL (of a role that may create databases) uses an existing server instead.
Under CI=true a server that does not start fails the tests; elsewhere they are skipped with the
reason.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, NullPool, create_engine, exc, make_url, text

from tests.machine import absent, free_port

START_S = 30.0
# Nothing that a test writes must outlive a power cut.
HASTY = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """The URL of a running server, of our own or the one that NEWSQUAKE_POSTGRES names."""
    existing = os.environ.get("NEWSQUAKE_POSTGRES")
    if existing:
        yield make_url(existing)
        return
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), shutil.which("initdb")]
    programs = [Path(program).parent for program in found if program is not None]
    if not programs:
        absent("no PostgreSQL here: deploy/install-tools installs it as root")
    with running(programs[0]) as url:
        yield url


@contextmanager
def running(programs: Path) -> Iterator[URL]:
    """Make a cluster in a folder of its own, start it on a free port, and remove it in the end."""
    with tempfile.TemporaryDirectory(prefix="newsquake-postgres-") as name:
        owner = ownership(Path(name))
        make = [programs / "initdb", "-D", f"{name}/data", "-U", "newsquake", "-A", "trust"]
        subprocess.run(make, check=True, capture_output=True, cwd="/", **owner)
        port = free_port()
        listen = ("-c", "listen_addresses=127.0.0.1", "-k", name, "-p", str(port))
        serve = [programs / "postgres", "-D", f"{name}/data", *listen, *HASTY]
        with Path(name, "log").open("wb") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=log, cwd="/", **owner)
        try:
            url = URL.create(
                "postgresql+psycopg", "newsquake", host="127.0.0.1", port=port, database="postgres"
            )
            wait(url, process, Path(name, "log"))
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: clients are sent away
            process.wait(30)


def ownership(folder: Path) -> dict[str, Any]:
    """How to start its programs: PostgreSQL refuses to run as root, so its own user must."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def wait(url: URL, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + START_S
    engine = create_engine(url, poolclass=NullPool)
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with engine.connect():
                return
        except exc.OperationalError:
            time.sleep(0.1)
    absent(f"PostgreSQL did not start: {log.read_text(errors='replace')[-1000:]}")


@pytest.fixture(scope="session")
def new_database(postgres_server: URL) -> Callable[[], str]:
    """A maker of empty databases: each call returns the URL of another one."""
    engine = create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        return postgres_server.set(database=name).render_as_string(hide_password=False)

    return make
