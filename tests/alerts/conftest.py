"""A fresh store for each test: every one runs on SQLite and on a real PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alerts.store import Store, open_store


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """A maker of URLs of fresh stores, by a name; those of one test share a dialect."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path}/{name}.db"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    urls: dict[str, str] = {}

    def url(name: str) -> str:
        if name not in urls:
            urls[name] = make()
        return urls[name]

    return url


@pytest.fixture
def url(new_url: Callable[[str], str]) -> str:
    """The URL of a fresh store."""
    return new_url("store")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A fresh store."""
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store in the file store.db."""
    with open_store(f"sqlite:///{tmp_path}/store.db") as opened:
        yield opened
