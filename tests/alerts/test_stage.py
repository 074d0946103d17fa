"""The whole stage on a real log: kill -9 at every step, and every article is counted once."""

import random
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from alerts import report
from alerts.keys import microseconds
from alerts.metrics import AlertsMetrics
from alerts.stage import Alerts
from alerts.store import open_store
from tests.alerts.builders import dump, history, receiver
from tests.alerts.child import SETTINGS, work
from wire.embedded import EmbeddedLog
from wire.errors import PositionLostError
from wire.log import NewRecord
from wire.metrics import StageMetrics

CHILD = Path(__file__).parent / "child.py"
ROOT = Path(__file__).parents[2]


def make_home(home, wire):
    """Make a log with the wire's records, and one that nobody can read."""
    with EmbeddedLog(home / "log.db") as log:
        log.create("scored-articles")
        log.create("dead-letters")
        log.append("scored-articles", wire.new())


def results(home):
    """Read what was counted and judged, and the distinct dead letters."""
    with open_store(f"sqlite:///{home}/store.db") as store, EmbeddedLog(home / "log.db") as log:
        with log.join("dead-letters", None) as member:
            dead = {record.key for record in member.take(100, 0.2).records}
        return dump(store), dead


def made_wire():
    """Five days with a surge, some copies and a broken record."""
    wire = history(5, surge_on=3)
    wire.records.insert(700, wire.records[3].__class__(0, 0, b"broken", b"{"))
    copies = random.Random(1).sample(wire.records, 40)
    wire.records[900:900] = [one for one in copies if one.key]
    return wire


def test_killed_at_every_step_it_ends_with_the_same_numbers(tmp_path):
    """A process that dies at its 1st, 2nd, ... durable step, and is started again each time."""
    wire = made_wire()
    through = str(microseconds(wire.now))
    killed, calm = tmp_path / "killed", tmp_path / "calm"
    for home in (killed, calm):
        home.mkdir()
        make_home(home, wire)
    work(calm, 0, int(through))

    deaths = 0
    for step in [*range(1, 13), 0]:
        command = [sys.executable, str(CHILD), str(killed), str(step), through]
        done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False,
                              capture_output=True, timeout=120)
        deaths += done.returncode == -signal.SIGKILL
    assert (0, b"") == (done.returncode, done.stderr[-300:])

    assert deaths >= 12
    assert results(calm) == results(killed)
    assert {b"broken"} == results(killed)[1]


def run_stage(home, seconds=1.0, metrics=None):
    """Run a stage for a while."""
    registry = CollectorRegistry()
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    with EmbeddedLog(home / "log.db") as log, open_store(f"sqlite:///{home}/store.db") as store:
        stage = Alerts(
            log, store, SETTINGS, AlertsMetrics(registry), StageMetrics(registry),
            lambda: datetime.now(UTC), receivers=[receiver("desk")],
        )
        timer.start()
        try:
            stage.run(stop)
        finally:
            timer.cancel()
    return registry


def test_metrics_show_what_happened(tmp_path):
    """Articles by topic, incidents, progress and the trend of each key."""
    wire = history(4, surge_on=3)
    make_home(tmp_path, wire)
    work(tmp_path, 0, microseconds(wire.now))
    with EmbeddedLog(tmp_path / "log.db") as log:
        log.append("scored-articles", [
            NewRecord(one.key, one.value) for one in history(1, seed=9, wire=None).new()[:1]
        ])
    registry = run_stage(tmp_path, 2.0)

    value = registry.get_sample_value
    assert 0 == value("newsquake_consumer_lag_records", {"stage": "alerts"})
    assert value("newsquake_last_progress_timestamp_seconds", {"stage": "alerts"}) > 0
    assert wire.now.timestamp() == value("newsquake_watermark_timestamp_seconds")
    assert value("newsquake_trend_expected_negatives", {"topic": "Legal", "watch": ""}) > 0
    assert 0 == value("newsquake_open_incidents", {"severity": "critical"})
    week = {"topic": "Legal", "watch": "", "window": "7d"}
    share = [value(f"newsquake_window_negative_share{bound}", week) for bound in ("_low", "", "_high")]
    assert share == sorted(share)
    assert value("newsquake_window_articles", {**week, "sentiment": "negative"}) > 0


def test_a_log_that_was_recreated_raises(tmp_path):
    """The store's position is of another life: it says so, and counts nothing."""
    wire = history(1)
    make_home(tmp_path, wire)
    work(tmp_path, 0, microseconds(wire.now))
    for file in tmp_path.glob("log.db*"):
        if file.is_file():
            file.unlink()
    make_home(tmp_path, history(2, seed=2))

    with pytest.raises(PositionLostError):
        run_stage(tmp_path, 20)


def test_it_waits_for_a_stream_that_is_not_there_yet(tmp_path):
    """A stage that starts first does not fail."""
    with EmbeddedLog(tmp_path / "log.db"):
        pass
    run_stage(tmp_path, 0.3)
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        assert 0 == report.watermark(store)
