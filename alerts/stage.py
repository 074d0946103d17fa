"""The stage: count what was scored, judge what closed, until told to stop.

The durable steps, never in another order: 1. take, 2. set broken records aside (append to
dead-letters), 3. count and tell mentions (commit), 4. settle, 5. judge (commit). After a crash
between any two of them the next start repeats from the store's position, and nothing counts twice.
"""

import threading
import time
from collections import Counter as Tallies
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Literal

import structlog

from wire.errors import FencedError, LogUnavailableError, StreamUnknownError
from wire.log import Batch, Log, Member, NewRecord
from wire.messages import DeadLetter, encode
from wire.metrics import StageMetrics

from . import answers, report
from .counter import Counter
from .counting import Dead, dead_id, read
from .errors import StaleError, StoreBusyError
from .incidents import Change
from .judging import Judge
from .keys import MICROSECONDS
from .metrics import AlertsMetrics
from .retention import held_since, prune
from .settings import AlertsSettings, Receiver, Retention
from .store import Store
from .windows import Sums

STREAM = "scored-articles"
HELD = ("articles", STREAM)  # where an article may stand that comes again
DEAD_LETTERS = "dead-letters"
GROUP = "alerts"
STAGE: Literal["alerts"] = "alerts"
_MAX_BACKOFF_S = 30.0
_SHOW_EVERY_S = 1.0
_SHOW_SHARE = 0.05  # of our time, at most: a replay judges days a second, and reads weeks for it
_PRUNE_EVERY = 3600 * MICROSECONDS  # of observed time
_PRUNE_APART_S = 10.0  # a replay judges an hour in no time, and what is held is asked of the log
_PRUNE_AT_MOST_S = 0.1
_JUDGE_AT_MOST_S = 2.0  # then records are taken again, and the membership is kept

_log = structlog.get_logger()


class Alerts:
    """Counts and judges. `clock` may be virtual: it stamps letters and measures latencies."""

    def __init__(
        self,
        log: Log,
        store: Store,
        settings: AlertsSettings,
        metrics: AlertsMetrics,
        stages: StageMetrics,
        clock: Callable[[], datetime],
        receivers: Sequence[Receiver] = (),
    ) -> None:
        self._log = log
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._stages = stages
        self._clock = clock
        self._counter = Counter(store, STREAM, settings, clock, receivers)
        self._judge = Judge(store, STREAM, settings, clock, receivers)
        self._judging = False
        self._pruning: Iterator[int] | None = None
        self._prune_from, self._prune_at = 0, 0.0
        self._sums = Sums()
        self._shown_through = -1
        self._show_at = 0.0
        self._renewed_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; waits out a log or store that is away.

        Raises PositionLostError where the log no longer has what was not counted yet, and
        MemberBusyError where another process is this group's member.
        """
        wait_s = self._settings.backoff_s
        while not stop.is_set():
            began = time.monotonic()
            try:
                self._session(stop)
            except (StaleError, FencedError) as error:
                _log.info("alerts.rejoining", reason=str(error))
            except (LogUnavailableError, StoreBusyError, StreamUnknownError) as error:
                _log.warning("alerts.waiting", reason=str(error), wait_s=wait_s)
            if time.monotonic() - began > _MAX_BACKOFF_S:
                wait_s = self._settings.backoff_s
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _MAX_BACKOFF_S)

    def _session(self, stop: threading.Event) -> None:
        self._counter.begin(self._log.bounds(STREAM).end)
        with self._log.join(STREAM, GROUP, start=self._counter.position) as member:
            self._judging = self._judge.take_lease(at_once=True)
            _log.info("alerts.joined", stream=STREAM)
            while not stop.is_set():
                self._count(member)
                self._judge_closed(member, stop)
                self._prune()
                self._show(member)

    def _count(self, member: Member) -> None:
        settings = self._settings
        batch = member.take(settings.batch_articles, settings.batch_wait_s)
        if not batch.spans:
            return
        self._count_batch(batch)
        member.settle(batch.spans)

    def _count_batch(self, batch: Batch) -> None:
        items, dead = read(batch.records)
        if dead:
            self._set_aside(dead)
        counted = self._counter.count(batch.spans, items)
        for one in dead:
            self._stages.dead_letter(STAGE, one.reason)
        self._tell(counted.changes)
        tallies = Tallies((row["topic"], row["sentiment"]) for row in counted.rows)
        for (topic, sentiment), articles in tallies.items():
            self._metrics.counted(topic, sentiment, articles)
        now = self._clock().timestamp()
        self._metrics.latency(now - row["observed_at"] / MICROSECONDS for row in counted.rows)

    def _set_aside(self, dead: Sequence[Dead]) -> None:
        now = self._clock()
        self._log.append(DEAD_LETTERS, [
            NewRecord(dead_id(one.record).encode(), encode(DeadLetter(
                id=dead_id(one.record), stage=STAGE, reason=one.reason, detail=one.detail,
                payload=one.record.value.decode("utf-8", "replace"), time=now,
            )))
            for one in dead
        ])

    def _judge_closed(self, member: Member, stop: threading.Event) -> None:
        """Judge what closed, as the one judge; who lost the lease waits until it expires."""
        if not self._judging:
            self._judging = self._judge.take_lease(at_once=False)
            if not self._judging:
                return
        until = time.monotonic() + _JUDGE_AT_MOST_S
        try:
            while self._judge_step() and not stop.is_set() and time.monotonic() < until:
                member.take(0, 0)
            self._renew()
        except StaleError:
            self._judging = False
            _log.info("judge.standing_by")

    def _judge_step(self) -> bool:
        buckets, changes = self._judge.step()
        self._tell(changes)
        if buckets:
            self._renewed_at = time.monotonic()
        return buckets > 0

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.event:
                self._metrics.incident(change.event)
                incident = change.incident
                _log.info(
                    f"incident.{change.event}", incident=incident.id, rule=incident.rule,
                    topic=incident.topic, watch=incident.watch, severity=incident.severity,
                    observed=incident.observed,
                )

    def _renew(self) -> None:
        if time.monotonic() - self._renewed_at > self._settings.lease_s / 3:
            self._judge.renew()
            self._renewed_at = time.monotonic()

    def _prune(self) -> None:
        """Let old rows go, a few small transactions at a time; the judge does, hour by hour."""
        if not self._judging or self._settings.retention == Retention():
            return
        judged, now = report.judged_through(self._store), time.monotonic()
        if self._pruning is None and judged >= self._prune_from and now >= self._prune_at:
            self._prune_from, self._prune_at = judged + _PRUNE_EVERY, now + _PRUNE_APART_S
            self._pruning = prune(
                self._store, self._settings.retention, lambda: held_since(self._log, HELD)
            )
        while self._pruning is not None and time.monotonic() < now + _PRUNE_AT_MOST_S:
            if next(self._pruning, None) is None:
                self._pruning = None

    def _show(self, member: Member) -> None:
        now = time.monotonic()
        if now < self._show_at:
            return
        self._stages.progressed(STAGE, member.lag())
        through_s = report.watermark(self._store) / MICROSECONDS
        self._metrics.watermark(through_s, self._clock().timestamp())
        self._metrics.open_incidents(report.open_by_severity(self._store))
        self._show_trends()
        for one in answers.by_rule(answers.precision(self._store)):
            self._metrics.precision(one.rule, one.true, one.false_alarm)
        self._show_at = now + max(_SHOW_EVERY_S, (time.monotonic() - now) / _SHOW_SHARE)

    def _show_trends(self) -> None:
        """Show every key, when more was judged: nothing else changes a trend."""
        judged = report.judged_through(self._store)
        if judged == self._shown_through:
            return
        self._shown_through = judged
        for trend in report.trends(self._store, self._sums):
            key = (trend.topic or "", trend.watch or "")
            self._metrics.trend(*key, trend.gauges())
            for window, measure in trend.measures.items():
                self._metrics.window(*key, window, trend.windows[window], measure.gauges())
