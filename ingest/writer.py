"""The durable steps after fetch (1) and parse (2): admit (3), append (4), index (5). Never reordered."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from wire.errors import RecordTooLargeError
from wire.log import Log, NewRecord
from wire.messages import Article, DeadLetter, Heartbeat, encode
from wire.metrics import StageMetrics

from .admit import Admission, Candidate, Memory, admit
from .index import ARTICLES, DEAD_LETTERS, Index, SourceState


class Writer:
    """Admits batches and writes them to the log and into the index, in that order."""

    def __init__(self, log: Log, index: Index, stage_metrics: StageMetrics) -> None:
        self._log, self._index, self._stage_metrics = log, index, stage_metrics
        self._partitions = sorted(log.bounds(ARTICLES).end)

    @property
    def partitions(self) -> int:
        """How many partitions the stream of articles has."""
        return len(self._partitions)

    def decide(self, candidates: Sequence[Candidate], last: datetime | None) -> Admission:
        """Step 3: decide with what the index knows; writes nothing."""
        memory = Memory(
            self._index.observed([candidate.id for candidate in candidates]),
            self._index.stories(candidate.entry.title for candidate in candidates),
            last,
        )
        return admit(candidates, memory)

    def write(
        self, admission: Admission, states: Mapping[str, SourceState] | None = None,
        closing: Sequence[Heartbeat] = (),
    ) -> tuple[Article, ...]:
        """Steps 4 and 5: append and wait, then index; return the articles that were appended.

        `closing` are heartbeats for articles acknowledged before: they ride in front, in the
        same append. An article that the log finds too large becomes a dead letter.
        """
        records = [*self._heartbeats(*closing), *map(_record, admission.articles)]
        articles, dead = admission.articles, list(admission.dead)
        try:
            if records:
                self._log.append(ARTICLES, records)
        except RecordTooLargeError:
            self._log.append(ARTICLES, self._heartbeats(*closing))
            articles = self._append_singly(articles, dead)
        self.bury(dead)
        through = closing[-1].through if closing else None
        self._index.add(articles, states or {}, self._partitions, through)
        return articles

    def _append_singly(self, articles: Sequence[Article], dead: list[DeadLetter]) -> tuple[Article, ...]:
        appended = []
        for article in articles:
            try:
                self._log.append(ARTICLES, [_record(article)])
                appended.append(article)
            except RecordTooLargeError as error:
                dead.append(DeadLetter(
                    id=article.id, stage="ingest", reason="too_large", detail=str(error),
                    payload=f"{article.url[:300]} {article.title[:300]}",
                    time=article.observed_at,
                ))
        return tuple(appended)

    def bury(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Append dead letters that are not in the stream yet, then index them; return these."""
        known = self._index.dead([letter.id for letter in letters])
        fresh = {letter.id: letter for letter in letters if letter.id not in known}
        if fresh:
            records = [NewRecord(key.encode(), encode(letter)) for key, letter in fresh.items()]
            self._log.append(DEAD_LETTERS, records)
            self._index.add_dead(fresh)
        for letter in fresh.values():
            self._stage_metrics.dead_letter("ingest", letter.reason)
        return list(fresh.values())

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Append a heartbeat to every partition, then index it."""
        self._log.append(ARTICLES, self._heartbeats(heartbeat))
        self._index.add((), {}, self._partitions, heartbeat.through)

    def _heartbeats(self, *heartbeats: Heartbeat) -> list[NewRecord]:
        values = [encode(heartbeat) for heartbeat in heartbeats]
        return [NewRecord(b"", value, partition) for partition in self._partitions for value in values]


def create_streams(log: Log, partitions: int | None = None, retain_s: float | None = None) -> None:
    """Create the streams that ingest writes to, where absent.

    Partitions that were asked for must be those that there are (StreamMismatchError); where
    none were asked for, any number is fine.
    """
    if partitions is not None or ARTICLES not in log.streams():
        log.create(ARTICLES, partitions, retain_s)
    if DEAD_LETTERS not in log.streams():
        log.create(DEAD_LETTERS, None, retain_s)


def _record(article: Article) -> NewRecord:
    return NewRecord(article.id.encode(), encode(article))
