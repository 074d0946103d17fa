"""A process that counts and judges a home until it is killed at one of its durable steps.

child.py HOME STEP THROUGH [mentions]: SIGKILL itself at the given boundary (0: never), then until
all is judged; with a rule on mentions, if asked for.
"""

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from alerts import report
from alerts.metrics import AlertsMetrics
from alerts.rules import Mention
from alerts.settings import AlertsSettings, Watch
from alerts.stage import Alerts
from alerts.store import open_store
from tests.alerts.builders import receiver
from wire.metrics import StageMetrics
from wire.opening import open_log

SETTINGS = AlertsSettings(
    topics=("Energy", "Legal"), batch_articles=300, batch_wait_s=0.05, buckets_per_transaction=200,
)


MENTIONS = SETTINGS.model_copy(update={
    "watches": (Watch(name="Example Bank"),), "mentions": (Mention(kind="mention"),),
})


class Steps:
    """Counts the boundaries between durable steps, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self.left = last

    def pass_one(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Anything, with a boundary after every call of the named methods."""

    def __init__(self, inner, steps: Steps, names: tuple[str, ...]) -> None:
        self._inner, self._steps, self._names = inner, steps, names

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if name == "join":
            return lambda *a, **k: Mortal(method(*a, **k), self._steps, ("take", "settle"))
        if name == "write":
            return lambda: self._write(method)
        if name not in self._names:
            return method

        def call(*words, **named):
            result = method(*words, **named)
            self._steps.pass_one()
            return result

        return call

    @contextmanager
    def _write(self, method):
        with method() as connection:
            yield connection
            self._steps.pass_one()  # all written, nothing committed
        self._steps.pass_one()  # committed

    def __enter__(self):
        self._inner.__enter__()
        return self

    def __exit__(self, *what):
        return self._inner.__exit__(*what)


def work(
    home: Path, last: int, through: int, settings: AlertsSettings = SETTINGS, *,
    log: str = "embedded", store: str = "",
) -> None:
    """Count and judge until everything before `through` is judged, or die."""
    steps = Steps(last)
    stop = threading.Event()
    registry = CollectorRegistry()
    url = store or f"sqlite:///{home}/store.db"
    with open_log(log, home, f"{home.name}.") as records, open_store(url) as opened:
        stage = Alerts(
            Mortal(records, steps, ("append",)), Mortal(opened, steps, ()), settings,
            AlertsMetrics(registry), StageMetrics(registry), lambda: datetime(2024, 1, 1, tzinfo=UTC),
            receivers=[receiver("desk")],
        )
        thread = threading.Thread(target=stage.run, args=(stop,))
        thread.start()
        while thread.is_alive() and report.judged_through(opened) < through:
            time.sleep(0.05)
        stop.set()
        thread.join()


if __name__ == "__main__":
    home, last, through, *rules = sys.argv[1:]
    work(Path(home), int(last), int(through), MENTIONS if rules else SETTINGS)
