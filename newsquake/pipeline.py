"""The composition root: which loops make up each stage, and the stages as one process."""

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alerts.settings import Receiver

from .crew import Crew, Loop
from .installation import Installation

if TYPE_CHECKING:
    from classifier.model import Model

STAGES = ("ingest", "classifier", "alerts")

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def ingest_loop(here: Installation, clock: Clock) -> Loop:
    """Poll the sources of the settings, live."""
    from ingest.metrics import IngestMetrics
    from ingest.stage import Ingest

    return Ingest(
        here.log,
        here.home,
        here.settings.sources,
        here.settings.ingest,
        IngestMetrics(here.registry),
        here.stage_metrics,
        clock,
    ).run


def load_model(here: Installation) -> "Model":
    """Load the model of the settings; raises ArtifactError where it fails its checks."""
    from classifier.model import load

    classifier = here.settings.classifier
    return load(
        classifier.model, classifier.backend, classifier.threads, here.settings.own_topics
    )


def classifier_loop(here: Installation) -> Loop:
    """Score what ingest appended."""
    from classifier.metrics import ClassifierMetrics
    from classifier.stage import Classifier

    return Classifier(
        here.log,
        load_model(here),
        here.settings.classifier,
        ClassifierMetrics(here.registry),
        here.stage_metrics,
    ).run


def alerts_loops(
    here: Installation, clock: Clock, receivers: Sequence[Receiver]
) -> dict[str, Loop]:
    """Count and judge what the classifier appended; send what was decided to the receivers."""
    from alerts.delivery import Delivery
    from alerts.heard import last_heartbeat
    from alerts.metrics import AlertsMetrics
    from alerts.stage import STREAM, Alerts

    settings, metrics = here.settings, AlertsMetrics(here.registry)
    counting = Alerts(
        here.log,
        here.store,
        settings.desk,
        metrics,
        here.stage_metrics,
        clock,
        receivers=receivers,
    )
    loops: dict[str, Loop] = {"alerts": counting.run}
    if receivers:
        sending = Delivery(
            here.store, receivers, settings.desk, metrics, wall_clock,
            heard=lambda: last_heartbeat(here.log, STREAM),
        )  # fmt: skip
        loops["delivery"] = sending.run
    return loops


def stage_loops(here: Installation, stages: Collection[str]) -> dict[str, Loop]:
    """The loops of the chosen stages, live."""
    loops: dict[str, Loop] = {}
    if "ingest" in stages:
        loops["ingest"] = ingest_loop(here, wall_clock)
    if "classifier" in stages:
        loops["classifier"] = classifier_loop(here)
    if "alerts" in stages:
        loops |= alerts_loops(here, wall_clock, here.settings.receivers)
    return loops


def run(here: Installation, stages: Collection[str], on_ready: Callable[[str], None]) -> None:
    """Run stages until interrupted (then drain); `on_ready` gets the URL of the web endpoints."""
    from .web import serve

    with ExitStack() as stack:
        crew = Crew(stage_loops(here, stages))
        store = here.store if "alerts" in stages else None
        web = stack.enter_context(serve(here, store, ready=lambda: unready(crew)))
        stack.enter_context(crew)
        on_ready(web.url)
        with crew.stop.on_signals():
            crew.wait()


def unready(crew: Crew) -> str | None:
    """Why the process cannot do its work now; None where it can."""
    return "stopping" if crew.stop.is_set() else None
