"""A classifier that hangs between append and settle, to be killed there: `dying.py LOG MODEL`."""

import sys
import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry

from classifier.metrics import ClassifierMetrics
from classifier.model import load
from classifier.settings import ClassifierSettings
from classifier.stage import Classifier
from wire.embedded import EmbeddedLog
from wire.metrics import StageMetrics


class HangingMember:
    """A member whose settle says that it was called, and never returns."""

    def __init__(self, member) -> None:
        self._member = member

    def __getattr__(self, name):
        return getattr(self._member, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._member.close()

    def settle(self, spans):
        print("appended, not settled", flush=True)
        time.sleep(600)


class HangingLog:
    """The embedded log with such members."""

    def __init__(self, log) -> None:
        self._log = log

    def __getattr__(self, name):
        return getattr(self._log, name)

    def join(self, *given):
        return HangingMember(self._log.join(*given))


if __name__ == "__main__":
    registry = CollectorRegistry()
    Classifier(
        HangingLog(EmbeddedLog(Path(sys.argv[1]))), load(Path(sys.argv[2]), "onnx", threads=1),
        ClassifierSettings(limit=8, within_s=0.05), ClassifierMetrics(registry),
        StageMetrics(registry),
    ).run(threading.Event())
