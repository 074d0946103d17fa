"""A fresh store for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts.store import Store, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a fresh SQLite store."""
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A fresh store."""
    with open_store(url) as opened:
        yield opened
