"""What the tests of ingest share: a log, metrics, and where the shared data lies."""

import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ingest.metrics import IngestMetrics
from ingest.settings import IngestSettings
from wire.embedded import EmbeddedLog
from wire.messages import decode
from wire.metrics import StageMetrics


@pytest.fixture
def log(tmp_path):
    """Return an embedded log that is closed afterwards."""
    with EmbeddedLog(tmp_path / "log.db") as log:
        yield log


@pytest.fixture
def registry():
    """Return a registry of its own."""
    return CollectorRegistry()


@pytest.fixture
def parts(registry):
    """Return the settings and metrics that stages take by keyword."""
    return {
        "settings": IngestSettings(),
        "metrics": IngestMetrics(registry),
        "stage_metrics": StageMetrics(registry),
    }


@pytest.fixture
def data():
    """Return the folder of the shared data, or skip."""
    root = Path(os.environ.get("NEWSQUAKE_DATA") or Path(__file__).parents[2] / "../shared/data")
    if not root.is_dir():
        pytest.skip("no shared data here (NEWSQUAKE_DATA)")
    return root


@pytest.fixture
def messages():
    """Return a function that reads all messages of a stream; none if it is not there yet."""

    def read(log, stream):
        if stream not in log.streams():
            return []
        with log.join(stream, None) as member:
            found = []
            while batch := member.take(1000, 0).records:
                found += [decode(record.value) for record in batch]
            return found

    return read
