"""A delivery that dies by SIGKILL at one of its durable steps.

    delivering.py HOME STEP AHEAD_S URL

STEP counts the boundaries of its transactions (written, committed; of claims and of outcomes); 0 is
none, and then it ends when nothing waits any more. Its clock is AHEAD_S seconds ahead.
"""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import func, select

from alerts import tables
from alerts.delivery import Delivery
from alerts.metrics import AlertsMetrics
from alerts.settings import AlertsSettings, Receiver
from alerts.store import open_store
from tests.alerts.child import Mortal, Steps


def work(home: Path, last: int, ahead_s: float, url: str) -> None:
    """Deliver until nothing waits, or die."""
    stop = threading.Event()
    receiver = Receiver(name="desk", url=url, secret=SecretStr("whsec_" + "a" * 32))
    waiting = select(func.count()).where(tables.outbox.c.state == "pending")
    with open_store(f"sqlite:///{home}/store.db") as store:
        delivery = Delivery(
            Mortal(store, Steps(last), ()), [receiver], AlertsSettings(), AlertsMetrics(CollectorRegistry()),
            lambda: datetime.now(UTC) + timedelta(seconds=ahead_s), poll_s=0.02,
        )  # fmt: skip
        thread = threading.Thread(target=delivery.run, args=(stop,))
        thread.start()
        while thread.is_alive():
            with store.read() as connection:
                if not connection.execute(waiting).scalar():
                    break
            time.sleep(0.05)
        stop.set()
        thread.join()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
