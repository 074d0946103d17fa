"""The live stage: sources are polled side by side; one thread admits, appends, indexes and stamps."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

import structlog

from wire.errors import LogError
from wire.log import Log
from wire.messages import Heartbeat
from wire.metrics import StageMetrics

from .admit import Candidate, is_backfill
from .feeds import Parsed, parse
from .fetch import Changed, Failed, Fetcher, Result, Unchanged
from .index import Index, SourceState
from .metrics import IngestMetrics
from .schedule import Turn, first_turns, next_delay_s
from .settings import IngestSettings, Source, refuse_twins
from .times import EPOCH, TICK
from .writer import Writer, create_streams

WAIT_S = 0.25
RETRY_S = 1.0
PRUNE_S = 3600.0

logger = structlog.get_logger()


class Ingest:
    """Polls sources and appends what is new to the stream of articles.

    At most `settings.concurrency` polls are under way, and at most one of a source; polls
    that are due and find no free thread wait. One failing source hurts nobody: it is
    reported once when it turns failing and once when it recovers. While the log cannot be
    written, polled items wait and polling pauses. Refuses two sources of one name
    (SourcesError) and a home that another ingest holds (IngestBusyError).
    """

    def __init__(
        self, log: Log, home: Path, sources: Sequence[Source], settings: IngestSettings,
        metrics: IngestMetrics, stage_metrics: StageMetrics, clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        refuse_twins(sources)
        self._log, self._home, self._sources, self._settings = log, home, tuple(sources), settings
        self._metrics, self._stage_metrics = metrics, stage_metrics
        self._clock, self._monotonic = clock, monotonic

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set; polls that are under way then are cancelled, and dropped.

        A poll that is still connecting is waited for, `settings.connect_timeout_s` at most.
        """
        with ExitStack() as stack:
            create_streams(self._log, self._settings.partitions, self._settings.retain_s)
            index = stack.enter_context(Index(self._home))
            index.catch_up(self._log)
            fetcher = stack.enter_context(Fetcher(self._settings, stop.is_set))
            pool = stack.enter_context(
                ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="ingest-poll")
            )
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            desk = Desk(self._log, index, self._sources, self._settings, self._metrics, self._stage_metrics)
            self._loop(stop, desk, fetcher, pool)

    def _loop(self, stop: Event, desk: "Desk", fetcher: Fetcher, pool: ThreadPoolExecutor) -> None:
        done: SimpleQueue[Poll] = SimpleQueue()
        turns = first_turns(self._sources, self._monotonic(), self._settings)
        polling: set[str] = set()
        beat_at = 0.0
        while not stop.is_set():
            for turn in self._due(turns, polling):
                polling.add(turn.source.name)
                state = desk.states[turn.source.name]
                pool.submit(_poll_into, done, fetcher, turn.source, state)
            if self._monotonic() >= beat_at:
                desk.keep(stop, lambda: desk.beat(self._clock()))
                beat_at = self._monotonic() + self._settings.heartbeat_s
            self._take(stop, desk, done, turns, polling)

    def _due(self, turns: Sequence[Turn], polling: set[str]) -> list[Turn]:
        free = self._settings.concurrency - len(polling)
        now = self._monotonic()
        due = [turn for turn in turns if turn.at <= now and turn.source.name not in polling]
        return sorted(due, key=lambda turn: turn.at)[:free]

    def _take(
        self, stop: Event, desk: "Desk", done: "SimpleQueue[Poll]", turns: Sequence[Turn],
        polling: set[str],
    ) -> None:
        """Wait a little for one finished poll, and work it in."""
        try:
            found = done.get(timeout=min(WAIT_S, self._settings.heartbeat_s))
        except Empty:
            return
        if found.bug is not None:
            raise found.bug
        source = found.source
        desk.keep(stop, lambda: desk.receive(source, found, self._clock()))
        polling.discard(source.name)
        turn = next(turn for turn in turns if turn.source == source)
        failures = desk.states[source.name].failures
        turn.at = self._monotonic() + next_delay_s(source, failures, self._settings)


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll of a source gave: the answer, what was parsed of it; or a bug of ours."""

    source: Source
    result: Result
    parsed: Parsed
    bug: Exception | None = None


def poll(fetcher: Fetcher, source: Source, state: SourceState) -> Poll:
    """Steps 1 and 2: fetch conditionally, and parse. A document that is no feed is a failure."""
    result = fetcher.get(source.url, state.known, allow_private=source.allow_private)
    if not isinstance(result, Changed):
        return Poll(source, result, Parsed())
    parsed = parse(result.body, result.content_type, result.url)
    if parsed.problem and not parsed.entries:
        return Poll(source, Failed("feed", parsed.problem), parsed)
    return Poll(source, result, parsed)


def _poll_into(
    done: "SimpleQueue[Poll]", fetcher: Fetcher, source: Source, state: SourceState
) -> None:
    try:
        done.put(poll(fetcher, source, state))
    except Exception as error:  # noqa: BLE001 - not lost in a thread: raised by the one who takes it
        done.put(Poll(source, Failed("bug", str(error)), Parsed(), error))


class Desk:
    """The one place that admits, stamps and writes heartbeats; used by one thread."""

    def __init__(
        self, log: Log, index: Index, sources: Sequence[Source], settings: IngestSettings,
        metrics: IngestMetrics, stage_metrics: StageMetrics,
    ) -> None:
        self._log, self._index, self._settings = log, index, settings
        self._metrics, self._stage_metrics = metrics, stage_metrics
        self._writer = Writer(log, index, stage_metrics)
        self.states = {source.name: index.source(source.name) for source in sources}
        self._through = index.through(self._writer.partitions) or EPOCH
        self._last = max(index.last() or EPOCH, self._through - TICK)
        self._tended: datetime | None = None
        self._report()

    def keep(self, stop: Event, write: Callable[[], None]) -> None:
        """Do it, again and again while the log is away; what may have been written is read back first."""
        away = False
        while not stop.is_set():
            try:
                if away:
                    self._index.catch_up(self._log)
                write()
            except LogError as error:
                if not error.retryable:
                    raise
                if not away:
                    logger.warning("log.unavailable", stage="ingest", error=str(error))
                away = True
                stop.wait(RETRY_S)
            else:
                if away:
                    logger.info("log.recovered", stage="ingest")
                return

    def receive(self, source: Source, found: Poll, now: datetime) -> None:
        """Steps 3 to 5 for one poll: admit, append, index."""
        result, state = found.result, self.states[source.name]
        outcome = {Changed: "changed", Unchanged: "unchanged", Failed: "failed"}[type(result)]
        if isinstance(result, Failed):
            self._index.add((), {source.name: self._failed(source, state, result)})
        else:
            self._admit(source, found, state, now)
        self._metrics.polls.labels(source.kind, outcome).inc()
        self._report()
        self._stage_metrics.progressed("ingest")

    def _failed(self, source: Source, state: SourceState, failed: Failed) -> SourceState:
        if not state.failures:
            logger.warning("source.failing", source=source.name, reason=failed.reason, detail=failed.detail)
        fresh = SourceState(state.known, state.succeeded, state.failures + 1)
        self.states[source.name] = fresh
        return fresh

    def _admit(self, source: Source, found: Poll, state: SourceState, now: datetime) -> None:
        known = found.result.known if isinstance(found.result, Changed) else state.known
        fresh = SourceState(known, now, 0)
        backfill = is_backfill(
            now, state.succeeded, interval_s=source.interval_s, gap_s=self._settings.gap_s
        )
        # Feeds show the newest first; stamps go the other way where that is told.
        entries = sorted(found.parsed.entries, key=lambda entry: entry.published_at or now)
        candidates = [
            Candidate(entry.id(source.name), entry, source.name, now, backfill) for entry in entries
        ]
        admission = self._writer.decide(candidates, self._last)
        appended = self._writer.write(admission, {source.name: fresh})
        self._last = max(self._last, admission.last or EPOCH)
        self.states[source.name] = fresh
        if state.failures:
            logger.info("source.recovered", source=source.name, failures=state.failures)
        self._count(source, len(candidates), len(appended), admission.duplicates, backfill=backfill)

    def _count(self, source: Source, seen: int, admitted: int, duplicates: int, *, backfill: bool) -> None:
        self._metrics.observed.inc(seen)
        self._metrics.admitted.inc(admitted)
        self._metrics.duplicate.inc(duplicates)
        self._metrics.backfill.inc(admitted if backfill else 0)
        # A source with nothing new is no news: at debug level.
        say = logger.info if admitted else logger.debug
        say("feed.polled", source=source.name, entries=seen, admitted=admitted, backfill=backfill)

    def beat(self, now: datetime) -> None:
        """Write a heartbeat: everything observed before now has been appended."""
        through = max(now, self._through)
        failing = tuple(sorted(name for name, state in self.states.items() if state.failures))
        self._writer.heartbeat(Heartbeat(through=through, sources=len(self.states), failing=failing))
        self._through = through
        self._last = max(self._last, through - TICK)
        self._stage_metrics.progressed("ingest")
        self._tend(now)

    def _tend(self, now: datetime) -> None:
        """Now and then, forget what is old and move the stored position."""
        if self._tended is None:
            self._tended = now
        if now - self._tended > timedelta(seconds=PRUNE_S):
            self._index.catch_up(self._log)
            self._index.prune(now, timedelta(days=self._settings.keep_ids_days))
            self._tended = now

    def _report(self) -> None:
        failing = sum(1 for state in self.states.values() if state.failures)
        self._metrics.healthy(len(self.states), failing)
