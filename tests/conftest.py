"""Fixtures for every test: the shared data where it is, one real Kafka broker, one PostgreSQL."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.broker", "tests.database"]

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of labelled sets and streams; skips where this machine has none."""
    folder = Path(os.environ.get("NEWSQUAKE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data at {folder} (set NEWSQUAKE_DATA)")
    return folder
