"""What records say, before and apart from any database: pure.

`read` decodes; `tally` turns decoded items into rows, health and watermarks, in the order
of each partition, so that the late flag does not depend on how records are batched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from wire.errors import BadMessageError
from wire.log import Record
from wire.messages import Heartbeat, ScoredArticle, decode

from .keys import BUCKET_S, MICROSECONDS, MILLIONTHS, bucket_of, end_of, microseconds
from .watches import Matcher

MAX_ID = 200  # characters; the columns are as wide
MAX_TEXT = 4_000
REASONS = ("undecodable", "unexpected", "unscored", "too_long")


@dataclass(frozen=True, slots=True)
class Dead:
    """A record that cannot be counted, with the reason from REASONS."""

    record: Record
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Item:
    """A record that was understood."""

    partition: int
    message: ScoredArticle | Heartbeat


@dataclass(slots=True)
class Tally:
    """What a batch adds: rows by id, health by bucket (sources, failing), new watermarks."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    watches: dict[str, list[str]] = field(default_factory=dict)
    health: dict[int, tuple[int, int]] = field(default_factory=dict)
    watermarks: dict[int, int] = field(default_factory=dict)


def read(records: Iterable[Record]) -> tuple[list[Item], list[Dead]]:
    """Decode records; what cannot be counted comes back with its reason."""
    items: list[Item] = []
    dead: list[Dead] = []
    for record in records:
        understood = _read(record)
        (dead if isinstance(understood, Dead) else items).append(understood)  # type: ignore[arg-type]
    return items, dead


def _read(record: Record) -> Item | Dead:
    try:
        message = decode(record.value)
    except BadMessageError as error:
        return Dead(record, "undecodable", str(error))
    if isinstance(message, Heartbeat):
        return Item(record.partition, message)
    if not isinstance(message, ScoredArticle):
        return Dead(record, "unexpected", f"a {type(message).__name__} is not counted")
    if not message.topics or not message.sentiments:
        return Dead(record, "unscored", "no topics or no sentiments")
    names = (message.article.id, message.article.story_id, top(message.topics))
    if not all(0 < len(name) <= MAX_ID for name in names):
        return Dead(record, "too_long", f"an id, story or topic is empty or over {MAX_ID} long")
    return Item(record.partition, message)


def dead_id(record: Record) -> str:
    """Name a dead record: its key where that is readable, else a digest of its value."""
    key = record.key.decode("utf-8", "replace")
    return key or sha256(record.value).hexdigest()[:32]


def top(probabilities: Mapping[Any, float]) -> str:
    """Name the most probable label; of equals, the first by name."""
    return str(min(probabilities, key=lambda label: (-probabilities[label], label)))


def tally(
    items: Iterable[Item],
    watermarks: Mapping[int, int],
    matcher: Matcher,
    lateness_s: int,
    blind_after_s: int,
) -> Tally:
    """Add up items that follow these watermarks, each partition in its order."""
    result = Tally(watermarks=dict(watermarks))
    for item in items:
        if isinstance(item.message, Heartbeat):
            _beat(result, item.partition, item.message, blind_after_s)
        else:
            through = result.watermarks.get(item.partition, 0)
            _count(result, item.message, through - lateness_s * MICROSECONDS, matcher)
    return result


def _beat(result: Tally, partition: int, beat: Heartbeat, blind_after_s: int) -> None:
    """Advance a watermark; a repeated or stale heartbeat changes nothing."""
    before, through = result.watermarks.get(partition, 0), microseconds(beat.through)
    if through <= before:
        return
    result.watermarks[partition] = through
    last = bucket_of(through - 1)
    watched = before > 0 and through - before <= blind_after_s * MICROSECONDS
    for bucket in range(bucket_of(before) if watched else last, last + 1, BUCKET_S):
        sources, failing = result.health.get(bucket, (0, 0))
        result.health[bucket] = (sources + beat.sources, failing + len(beat.failing))


def _count(result: Tally, scored: ScoredArticle, closed: int, matcher: Matcher) -> None:
    """Add an article; `closed` is the time up to which buckets are closed for it."""
    article = scored.article
    if article.id in result.rows:
        return
    observed_at = microseconds(article.observed_at)
    bucket = bucket_of(observed_at)
    title, text = clean(article.title), clean(article.text)
    result.rows[article.id] = {
        "id": clean(article.id),
        "story_id": clean(article.story_id),
        "observed_at": observed_at,
        "bucket": bucket,
        "topic": clean(top(scored.topics)),
        "sentiment": top(scored.sentiments),
        "negative": round(scored.sentiments.get("negative", 0.0) * MILLIONTHS),
        "title": title,
        "url": clean(article.url),
        "source": clean(article.source),
        "model": clean(scored.model),
        "backfill": article.backfill,
        "late": end_of(bucket) <= closed,
    }
    found = matcher.match(title, text)
    result.watches[article.id] = [match.watch for match in found if match.role == "subject"]


def clean(text: str) -> str:
    """Make a text fit for any database: no NUL, no lone surrogates, not endless."""
    return text[:MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode(
        "utf-8", "replace"
    ).decode("utf-8")


def arrival_of(row: Mapping[str, Any]) -> str:
    """Say how an article came: only live ones are judged."""
    return "backfill" if row["backfill"] else "late" if row["late"] else "live"
