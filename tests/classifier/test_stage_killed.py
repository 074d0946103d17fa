"""kill -9 between append and settle repeats work and skips none."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from prometheus_client import CollectorRegistry

from classifier.metrics import ClassifierMetrics
from classifier.settings import ClassifierSettings
from classifier.stage import Classifier
from tests.classifier.test_stage import article, heartbeat, names
from wire.embedded import EmbeddedLog
from wire.log import NewRecord
from wire.metrics import StageMetrics

ROOT = Path(__file__).parents[2]


def kill_after_append(path: Path, model: Path) -> None:
    """Run a classifier up to its first settle, and kill it there."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.classifier.dying", path, model],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )
    assert child.stdout is not None
    with child, child.stdout:
        for line in child.stdout:
            if line == "appended, not settled\n":
                break
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait(10) == -signal.SIGKILL


def test_a_killed_classifier_loses_nothing(tmp_path, tiny_artifact, tiny_model):
    """Two are killed, the third finishes: all is there, heartbeats behind what they close."""
    path = tmp_path / "log.db"
    values = [heartbeat(n) if n % 5 == 4 else article(n) for n in range(20)]
    with EmbeddedLog(path) as log:
        log.create("articles")
        log.append("articles", [NewRecord(b"k", value) for value in values])
    kill_after_append(path, tiny_artifact)
    kill_after_append(path, tiny_artifact)
    registry, stop = CollectorRegistry(), threading.Event()
    with EmbeddedLog(path) as log:
        assert log.settled("articles", "classifier") == {}
        settings = ClassifierSettings(limit=8, within_s=0.05)
        stage = Classifier(
            log, tiny_model, settings, ClassifierMetrics(registry), StageMetrics(registry)
        )
        thread = threading.Thread(target=stage.run, args=(stop,))
        thread.start()
        waiting = threading.Event()
        for _ in range(400):
            if log.settled("articles", "classifier") == {0: 20}:
                break
            waiting.wait(0.05)
        stop.set()
        thread.join(10)
        assert log.settled("articles", "classifier") == {0: 20}
        with log.join("scored-articles", None) as reader:
            found = [record.value for record in reader.take(999, 0).records]
    assert list(dict.fromkeys(names(found))) == names(values)
    assert len(found) == 8 + 8 + 20
    assert len(set(found)) == 20
