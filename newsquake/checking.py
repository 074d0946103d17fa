"""`newsquake check`: try each part of an installation, and say what is wrong with it."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import apsw

from alerts.briefing import Briefing
from alerts.courier import Courier
from alerts.delivery import DEADLINE_S
from alerts.errors import AlertsError
from alerts.mailbox import Mailbox
from alerts.settings import Receiver
from ingest.fetch import Failed, Fetcher
from ingest.index import SourceState
from ingest.settings import Source, refuse_twins
from ingest.stage import Poll, poll

from .failures import explain
from .installation import Installation
from .pipeline import wall_clock

POLLS_AT_ONCE = 32


@dataclass(frozen=True)
class Finding:
    """One part, whether it is right, and what was found."""

    part: str
    ok: bool
    text: str

    def line(self) -> str:
        """The finding as a line to print."""
        return f"{'ok ' if self.ok else 'BAD'} {self.part}: {self.text}"


def findings(here: Installation) -> Iterator[Finding]:
    """Try every part; an unexpected error (a bug) is raised, an expected one is a finding."""
    parts: dict[str, Callable[[Installation], Iterator[Finding]]] = {
        "sources": sources,
        "log": log,
        "model": model,
        "store": store,
        "receivers": receivers,
    }
    yield Finding("settings", ok=True, text=f"home {here.settings.home}")
    for part, look in parts.items():
        try:
            yield from look(here)
        except Exception as error:
            explanation = explain(error)
            if explanation is None:
                raise
            text = explanation.text.removeprefix("error: ").replace("\n", "; ")
            yield Finding(part, ok=False, text=text)


def sources(here: Installation) -> Iterator[Finding]:
    """Poll every source once: one finding for each that fails, and their number."""
    given = here.settings.sources
    if not given:
        text = "none set ([[sources]]); only replay and demo have news"
        yield Finding("sources", ok=True, text=text)
        return
    refuse_twins(given)
    polled = polls(here, given)
    failing = [(each.source, each.result) for each in polled if isinstance(each.result, Failed)]
    for source, failed in failing:
        said = f"{source.name}: {failed.reason}: {failed.detail} ({source.url})"
        yield Finding("source", ok=False, text=said)
    entries = sum(len(each.parsed.entries) for each in polled)
    answered = f"{len(given) - len(failing)} of {len(given)} answer, with {entries} entries"
    yield Finding("sources", ok=not failing, text=answered)


def polls(here: Installation, given: tuple[Source, ...]) -> list[Poll]:
    """Poll sources side by side; each ends within the time limit of the settings."""
    settings = here.settings.ingest.model_copy(update={"concurrency": POLLS_AT_ONCE})
    with Fetcher(settings) as fetcher, ThreadPoolExecutor(POLLS_AT_ONCE) as pool:
        return list(pool.map(lambda source: poll(fetcher, source, SourceState()), given))


def log(here: Installation) -> Iterator[Finding]:
    """Reach the log and list its streams."""
    streams = ", ".join(here.log.streams()) or "no streams yet"
    embedded = here.settings.log == "embedded"
    kind = f"embedded (SQLite {apsw.sqlite_lib_version()}, WAL)" if embedded else here.settings.log
    yield Finding("log", ok=True, text=f"{kind}, prefix {here.prefix}: {streams}")


def model(here: Installation) -> Iterator[Finding]:
    """Load the model, which runs its contract checks."""
    from .pipeline import load_model

    loaded = load_model(here)
    text = f"{loaded.name} on {loaded.backend_name}, {len(loaded.topics)} topics"
    yield Finding("model", ok=True, text=text)


def store(here: Installation) -> Iterator[Finding]:
    """Open the store, which brings its schema up to date."""
    _ = here.store
    url = here.store.engine.url.render_as_string(hide_password=True)
    if url.startswith("sqlite"):
        url += f" (SQLite {sqlite3.sqlite_version}, rollback journal: no WAL-reset race)"
    yield Finding("store", ok=True, text=url)


def receivers(here: Installation) -> Iterator[Finding]:
    """Try each receiver's secret and certificates, and tell which have asked never to be called again."""
    given = here.settings.receivers
    if not given:
        text = "none set ([[receivers]]); nothing will be sent"
        yield Finding("receivers", ok=True, text=text)
    for receiver in given:
        wrong = trouble(here, receiver)
        yield Finding("receiver", ok=not wrong, text=f"{receiver.name}: {wrong or 'ready'}")
    brief = here.settings.alerts.brief
    if brief.receivers:
        Briefing(here.store, brief, given, wall_clock)
        yield Finding("brief", ok=True, text=f"daily at {brief.at:%H:%M} in {brief.zone}")


def trouble(here: Installation, receiver: Receiver) -> str:
    """What keeps a receiver from being sent to; "" for nothing."""
    try:
        Courier(receiver, DEADLINE_S, wall_clock)
    except AlertsError as error:
        return str(error)
    gone = Mailbox(here.store, receiver).disabled()
    return "disabled: it has answered 410 at its present address" if gone else ""
