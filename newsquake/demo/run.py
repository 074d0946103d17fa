"""`newsquake demo`: the simulated newswire, the whole pipeline, a receiver and the view.

One virtual clock throughout. Three weeks of history are replayed as fast as the machine can;
then a minute of news passes each second. The home remembers where the clock stands, so a second
start goes on from there.
"""

import base64
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import dropwhile, takewhile
from threading import Event, Timer

import typer
from pydantic import SecretStr

from alerts import report
from alerts.settings import Receiver
from ingest.archive import Row
from ingest.metrics import IngestMetrics
from ingest.replay import Replay
from newsquake.crew import Crew, Loop
from newsquake.installation import Installation
from newsquake.pipeline import alerts_loops, classifier_loop, unready
from newsquake.replaying import EPOCH, judged
from newsquake.web import serve

from . import newswire
from .receiver import WebhookReceiver
from .snapshots import Snapshots
from .view import show

START = datetime(2026, 1, 5, tzinfo=UTC)
HISTORY_ENDS = START + newswire.HISTORY
SEED = 1
LIVE_SPEED = 60.0
RECEIVER = "demo"


class Wire:
    """The ingest stage of the demo: history at full speed, then a minute a second, without end."""

    def __init__(self, here: Installation) -> None:
        self.phase = "history, at full speed"
        self._here = here
        self._metrics = IngestMetrics(here.registry)
        self._replay: Replay | None = None
        # What was counted needs no second look; `report` knows how far that goes.
        self._known = EPOCH + timedelta(microseconds=report.watermark(here.store))

    def now(self) -> datetime:
        """The virtual time."""
        return max(self._replay.now() if self._replay else START, self._known)

    def run(self, stop: Event) -> None:
        """Replay both parts until told to stop."""
        if self._known < HISTORY_ENDS:
            through = self._part(takewhile(is_history, self._rows()), None, stop)
            reached = judged(self._here, through)
            while not stop.is_set() and not reached():
                stop.wait(0.2)
            self._known = max(self._known, through)
        if not stop.is_set():
            self.phase = "live, a minute a second"
            self._part(self._rows(), LIVE_SPEED, stop)

    def _rows(self) -> Iterator[Row]:
        return dropwhile(lambda row: row.published < self._known, newswire.rows(START, SEED))

    def _part(self, rows: Iterator[Row], speed: float | None, stop: Event) -> datetime:
        here = self._here
        self._replay = Replay(
            here.log,
            here.home,
            rows,
            settings=here.settings.ingest,
            metrics=self._metrics,
            stage_metrics=here.stage_metrics,
            speed=speed,
        )
        return self._replay.run(stop)


def is_history(row: Row) -> bool:
    """Whether the row belongs to the weeks that only warm the baseline."""
    return row.published < HISTORY_ENDS


def run_demo(here: Installation, seconds: float | None, *, plain: bool) -> None:
    """Run until Ctrl-C, or for so many seconds; drains, and says what to type next."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    with ExitStack() as stack:
        wire = Wire(here)
        snapshots = Snapshots(here, wire.now, lambda: wire.phase)
        receiver = stack.enter_context(WebhookReceiver(secret, snapshots.receipt))
        loops = {"ingest": wire.run, **other_loops(here, wire, receiver.url, secret)}
        crew = Crew(loops)
        web = stack.enter_context(serve(here, here.store, lambda: unready(crew)))
        snapshots.urls = [(path, f"{web.url}/{path}") for path in ("metrics", "api/incidents", "api/trends")]
        stack.enter_context(crew)
        if seconds is not None:
            timer = Timer(seconds, crew.stop.set)
            timer.daemon = True
            timer.start()
        with crew.stop.on_signals():
            show(snapshots.take, crew.stop, plain=plain)
        crew.stop.set()
    typer.echo("\nThat was a simulated newswire. For real news, type next:  make run")


def other_loops(here: Installation, wire: Wire, url: str, secret: str) -> dict[str, Loop]:
    """The stages after ingest, with the demo's receiver as the only one."""
    receiver = Receiver(name=RECEIVER, url=url, secret=SecretStr(secret))
    return {"classifier": classifier_loop(here)} | alerts_loops(here, wire.now, [receiver])
