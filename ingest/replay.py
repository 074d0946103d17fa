"""Archived news through the pipeline, on a virtual clock that steps five minutes.

The clock is where the last heartbeat in the stream stands, so a replay goes on where the
last one ended, however it ended. Every decision depends on rows, stream and clock only:
whatever was killed, the same rows get the same stamps.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from threading import Event

from wire.log import Log
from wire.messages import DeadLetter
from wire.metrics import StageMetrics

from .archive import Archive, Broken, Row
from .fetch import Fetcher
from .index import Index
from .metrics import IngestMetrics
from .newswire import Newswire
from .poll import Poll, PollNewswire, poll_directly
from .settings import IngestSettings
from .steps import Step, steps
from .ticker import Ticker
from .times import EPOCH, STEP, bucket_start
from .writer import Writer, create_streams

Progress = Callable[[int, datetime], None]


class Pace:
    """The virtual time that the wall clock allows: `speed` virtual seconds a second, from `start`."""

    def __init__(self, speed: float, start: datetime, monotonic: Callable[[], float]) -> None:
        self._speed, self._start, self._monotonic = speed, start, monotonic
        self._began = monotonic()

    def reached(self) -> datetime:
        """Return the virtual time now."""
        return self._start + timedelta(seconds=(self._monotonic() - self._began) * self._speed)

    def wait_s(self, time: datetime) -> float:
        """Return the wall seconds until that virtual time; at least a millisecond."""
        return max(0.001, (time - self.reached()).total_seconds() / self._speed)


class Replay:
    """Replays an Archive, or any rows sorted by `published` (lazy and endless ones too).

    An article's `observed_at` is its row's `published`; ties, in id order, are a microsecond
    apart. Rows older than the clock (a file that is replayed later into the same home) are
    admitted as backfill, stamped at the clock. `speed` None does not wait. `direct` skips
    HTTP and parsing. `progress(rows, clock)` is called after every step. Before each step,
    `max_lead(end)` is asked whether consumers are too far behind to begin it; while it says
    True the replay waits. Refuses to run beside another ingest in the same home.
    """

    def __init__(
        self, log: Log, home: Path, archive: Archive | Iterable[Row], *,
        settings: IngestSettings, metrics: IngestMetrics, stage_metrics: StageMetrics,
        speed: float | None = None, direct: bool = False, progress: Progress | None = None,
        max_lead: Callable[[datetime], bool] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log, self._home, self._settings = log, home, settings
        self._rows: Iterable[Row] = archive.rows if isinstance(archive, Archive) else archive
        self._broken: Sequence[Broken] = archive.broken if isinstance(archive, Archive) else ()
        self._sources = {row.source for row in archive.rows} if isinstance(archive, Archive) else set()
        self._metrics, self._stage_metrics = metrics, stage_metrics
        self._speed, self._direct, self._monotonic = speed, direct, monotonic
        self._progress, self._max_lead = progress, max_lead
        self._clock = EPOCH

    def now(self) -> datetime:
        """Return the virtual time; may be asked by any thread. 1970 before the run has begun."""
        return self._clock

    def run(self, stop: Event) -> datetime:
        """Replay until the rows end or `stop` is set; return how far the heartbeats go then."""
        with ExitStack() as stack:
            create_streams(self._log, self._settings.partitions, self._settings.retain_s)
            index = stack.enter_context(Index(self._home))
            index.catch_up(self._log)
            writer = Writer(self._log, index, self._stage_metrics)
            ticker = Ticker(index, writer, self._sources)
            done = self._steps(ticker, self._poll(stack), stop)
            ticker.settle()
            if done:
                ticker.close()
            index.catch_up(self._log)  # moves the stored position, so that the next start is quick
            self._clock = max(self._clock, ticker.through or EPOCH)
            return ticker.through or EPOCH

    def _poll(self, stack: ExitStack) -> Poll:
        if self._direct:
            return poll_directly
        newswire = stack.enter_context(Newswire())
        fetcher = stack.enter_context(Fetcher(self._settings))
        return PollNewswire(newswire, fetcher, self._metrics)

    def _steps(self, ticker: Ticker, poll: Poll, stop: Event) -> bool:
        """Work through the steps; return whether all were done."""
        rows, begins = self._resume(ticker)
        self._metrics.healthy(len(self._sources), 0)
        self._bury(ticker, begins)
        pace = None if self._speed is None else Pace(self._speed, begins, self._monotonic)
        done = 0
        for step in steps(rows, ticker.through):
            if not self._await_turn(step, ticker, pace, stop):
                return False
            admission = ticker.write(step, poll)
            self._count(len(step.rows), len(admission.articles), late=step.late)
            done += len(step.rows)
            self._clock = max(self._clock, step.start if step.late else step.end)
            self._stage_metrics.progressed("ingest")
            if pace is not None:
                ticker.settle()
            if self._progress is not None:
                self._progress(done, self._clock)
        return True

    def _resume(self, ticker: Ticker) -> tuple[Iterable[Row], datetime]:
        """Set the clock; tell the ticker what may have been under way when the last run ended."""
        rows = iter(self._rows)
        first = next(rows, None)
        if first is None:
            return (), ticker.through or EPOCH
        rows = chain((first,), rows)
        self._clock = ticker.through or bucket_start(first.published)
        if not ticker.interrupted():
            return rows, self._clock
        head = list(_until_third_step(rows, self._clock))
        ticker.resume({row.id for row in head})
        return chain(head, rows), self._clock

    def _bury(self, ticker: Ticker, time: datetime) -> None:
        """Append the archive's broken rows to the dead letters, once."""
        ticker.bury([
            DeadLetter(
                id=item.id, stage="ingest", reason=item.reason, detail=item.detail,
                payload=item.payload, time=time,
            )
            for item in self._broken
        ])

    def _await_turn(self, step: Step, ticker: Ticker, pace: Pace | None, stop: Event) -> bool:
        """Wait for consumers and for the pace; return False once `stop` is set.

        While it waits, the heartbeats go on, so that quiet times are judged as they pass.
        """
        while not stop.is_set():
            if self._max_lead is not None and self._max_lead(step.end):
                ticker.settle()
                stop.wait(0.05)
            elif pace is None or step.late or (reached := pace.reached()) >= step.end:
                return True
            else:
                ticker.beat(min(bucket_start(reached), step.start))
                self._clock = max(self._clock, reached)
                stop.wait(min(0.25, pace.wait_s(bucket_start(reached) + STEP)))
        return False

    def _count(self, observed: int, admitted: int, *, late: bool) -> None:
        self._metrics.observed.inc(observed)
        self._metrics.admitted.inc(admitted)
        self._metrics.duplicate.inc(observed - admitted)
        self._metrics.backfill.inc(admitted if late else 0)


def _until_third_step(rows: Iterator[Row], clock: datetime) -> Iterator[Row]:
    """Yield rows up to the first of the third step from the clock on.

    An append holds a step's articles and the heartbeat of the step before: where it was cut
    off between partitions, articles of two steps stand above the clock.
    """
    starts: set[datetime] = set()
    for row in rows:
        yield row
        if row.published >= clock:
            starts.add(bucket_start(row.published))
        if len(starts) > 2:  # noqa: PLR2004
            return
