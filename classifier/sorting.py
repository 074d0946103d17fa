"""What each record of `articles` is, and what becomes of it: pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from wire.errors import BadMessageError
from wire.log import NewRecord, Record
from wire.messages import Article, DeadLetter, Heartbeat, ScoredArticle, decode, encode

from .scores import Scores
from .texts import article_text

# Why a record is set aside; a closed list, since it is a metric's label.
Reason = Literal["undecodable", "unexpected", "unscorable", "too_large"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record cannot be passed on; `detail` is for people."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Item:
    """A record, and what it holds now: an Article is still to be scored."""

    record: Record
    content: Article | ScoredArticle | Heartbeat | Refusal

    @property
    def text(self) -> str:
        """What the model reads of the article."""
        assert isinstance(self.content, Article)
        return article_text(self.content.title, self.content.text)

    def scored(self, scores: Scores | Refusal, model: str) -> "Item":
        """Return the item with its article scored, or refused."""
        if isinstance(scores, Refusal):
            return replace(self, content=scores)
        assert isinstance(self.content, Article)
        scored = ScoredArticle(
            article=self.content, topics=scores.topics, sentiments=scores.sentiments,
            model=model, truncated=scores.truncated,
        )
        return replace(self, content=scored)

    def onward(self) -> NewRecord | None:
        """Return the record to append, in the partition it came from; None for a refusal."""
        if isinstance(self.content, Refusal):
            return None
        return NewRecord(self.record.key, encode(self.content), self.record.partition)


def sort_out(records: Sequence[Record]) -> list[Item]:
    """Read each record, in order; what is no article and no heartbeat is refused."""
    return [Item(record, _read(record.value)) for record in records]


def _read(value: bytes) -> Article | Heartbeat | Refusal:
    try:
        message = decode(value)
    except BadMessageError as error:
        return Refusal("undecodable", str(error))
    if isinstance(message, Article | Heartbeat):
        return message
    return Refusal("unexpected", f"a {type(message).__name__} in the stream of articles")


def dead_letter(
    record: Record, refusal: Refusal, now: datetime, most: int | None = None
) -> NewRecord:
    """Return a dead letter that holds the record, whole unless `most` limits its characters."""
    payload = record.value.decode("utf-8", "backslashreplace")
    detail = f"{refusal.detail} (partition {record.partition}, offset {record.offset})"
    if most is not None and len(payload) > most:
        detail += f"; only the first {most:,} of {len(payload):,} characters"
        payload = payload[:most]
    name = _id(record)
    letter = DeadLetter(
        id=name, stage="classifier", reason=refusal.reason, detail=detail, payload=payload, time=now
    )
    return NewRecord(name.encode(), encode(letter))


def _id(record: Record) -> str:
    """Return the article's id where it can be told, else a digest of the payload."""
    try:
        message = decode(record.value)
    except BadMessageError:
        return hashlib.sha256(record.value).hexdigest()
    if isinstance(message, Article):
        return message.id
    return hashlib.sha256(record.value).hexdigest()
