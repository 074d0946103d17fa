"""The classifier's loop: Article in, ScoredArticle out, heartbeats passed on in their place.

At least once: a crash at any point repeats work and skips none.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import structlog

from wire.errors import FencedError, LogUnavailableError, StreamUnknownError
from wire.log import Batch, Log, Member
from wire.messages import Article
from wire.metrics import StageMetrics

from .appending import Appending
from .metrics import ClassifierMetrics
from .model import Model
from .retrying import Backoff
from .scores import Scores
from .scoring import score
from .settings import ClassifierSettings
from .sorting import Item, Refusal, sort_out

STAGE = "classifier"
ARTICLES = "articles"
SCORED = "scored-articles"
DEAD = "dead-letters"

_log = structlog.get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


class Classifier:
    """Scores the articles of the log. `now` stamps dead letters and decides nothing."""

    def __init__(
        self, log: Log, model: Model, settings: ClassifierSettings, metrics: ClassifierMetrics,
        stage_metrics: StageMetrics, now: Callable[[], datetime] = _now,
    ) -> None:
        self._log = log
        self._model = model
        self._settings = settings
        self._metrics = metrics
        self._stage_metrics = stage_metrics
        self._appending = Appending(log, SCORED, DEAD, now)
        metrics.backend.labels(model.backend_name, model.name, model.backend_reason).set(1)

    def run(self, stop: threading.Event) -> None:
        """Work until stop is set; raises on bugs and on positions that the log has lost.

        A log that is unavailable is tried again until stop; a fenced member joins again. What
        was taken and not settled then comes again, so nothing is lost by either.
        """
        backoff = Backoff(self._settings.retry_s, self._settings.retry_max_s)
        while not stop.is_set():
            try:
                self._create_streams()
                with self._log.join(ARTICLES, STAGE) as member:
                    while not stop.is_set():
                        self._step(member, stop)
                        backoff.reset()
            except FencedError as error:
                _log.warning("classifier.fenced", error=str(error))
                stop.wait(backoff.next_s())
            except LogUnavailableError as error:
                wait_s = backoff.next_s()
                _log.warning("classifier.log_unavailable", error=str(error), retry_in_s=wait_s)
                stop.wait(wait_s)

    def _create_streams(self) -> None:
        """Create what is absent; scored articles get as many partitions as articles have."""
        try:
            bounds = self._log.bounds(ARTICLES)
        except StreamUnknownError:
            self._log.create(ARTICLES)
            bounds = self._log.bounds(ARTICLES)
        self._log.create(SCORED, len(bounds.first))
        if DEAD not in self._log.streams():
            self._log.create(DEAD)

    def _step(self, member: Member, stop: threading.Event) -> None:
        """Do the four durable steps, in this order, on one micro-batch."""
        # 1. Take.
        batch = member.take(self._settings.limit, self._settings.within_s)
        if batch.spans:
            # 2. Score. A stop in between leaves the batch unsettled: it comes again.
            items = self._score(batch, member, stop)
            if items is None:
                return
            # 3. Append, and wait for every acknowledgement.
            for reason in self._appending.append(items):
                self._stage_metrics.dead_letter(STAGE, reason)
            # 4. Settle.
            member.settle(batch.spans)
        self._stage_metrics.progressed(STAGE, member.lag())

    def _score(self, batch: Batch, member: Member, stop: threading.Event) -> list[Item] | None:
        """Return what is to be appended, in the records' order; None where stop was set."""
        items = sort_out(batch.records)
        waiting = [index for index, item in enumerate(items) if isinstance(item.content, Article)]
        for chunk in _chunks(waiting, self._settings.chunk):
            if stop.is_set():
                return None
            for index, scores in zip(chunk, self._score_chunk(items, chunk), strict=True):
                items[index] = items[index].scored(scores, self._model.name)
            member.take(0, 0)
        return items

    def _score_chunk(
        self, items: Sequence[Item], chunk: Sequence[int]
    ) -> list[Scores | Refusal]:
        begun = time.perf_counter()
        scored = score(self._model, [items[index].text for index in chunk])
        self._metrics.model_seconds.observe(time.perf_counter() - begun)
        answers = [scores for scores in scored if isinstance(scores, Scores)]
        self._metrics.batch_articles.observe(len(chunk))
        self._metrics.batch_tokens.observe(sum(scores.tokens for scores in answers))
        self._metrics.scored.inc(len(answers))
        self._metrics.truncated.inc(sum(scores.truncated for scores in answers))
        return scored


def _chunks(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]
